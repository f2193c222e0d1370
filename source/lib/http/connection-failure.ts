import {ProxyError} from './proxy-error.js';
import {tlsFailure} from './tls-failure.js';

/** The failures of a connection in words, by the code of Node's net and dns. */
export const networkTexts: Readonly<Record<string, string>> = {
	ECONNRESET: 'the connection was reset',
	ECONNREFUSED: 'connection refused',
	EPIPE: 'the connection was closed',
	EHOSTUNREACH: 'no route to the host',
	ENETUNREACH: 'the network is unreachable',
	EAI_AGAIN: 'temporary failure in name resolution',
	ENOTFOUND: 'no such host',
	ETIMEDOUT: 'the connection timed out',
};

export const notHttp = 'the response is not HTTP';

/** Returns true for the code of an error of Node's HTTP parser. The codes of other errors may be numbers. */
export function isParserCode(code: unknown): boolean {
	return String(code).startsWith('HPE_');
}

/** Returns why a request got no response, in words; undefined for an error that is none of a connection. */
export function connectionFailure(error: unknown): string | undefined {
	for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
		if (at instanceof ProxyError) return at.message;
		const {code = ''} = at as NodeJS.ErrnoException;
		const reason = tlsFailure(at)?.reason ?? (isParserCode(code) ? notHttp : networkTexts[code]);
		if (reason !== undefined) return reason;
	}
	return undefined;
}
