/** Credentials from the services and files where the AWS tools find them, with a time limit. */
import {defaultProvider} from '@aws-sdk/credential-provider-node';
import {type Fault, networkFault} from '../errors.js';

type Init = Parameters<typeof defaultProvider>[0];
type Provider = ReturnType<typeof defaultProvider>;

/** A service for credentials that did not return any. */
export class CredentialsFailure extends Error {
	override readonly name = 'CredentialsFailure';
	readonly fault: Fault;

	constructor(fault: Fault, message: string, cause?: unknown) {
		super(message, {cause});
		this.fault = fault;
	}
}

/** Returns the SDK's default chain, each attempt limited to `limit` milliseconds: it has no limit of its own. */
export function limitedProvider(init: Init, limit: number): Provider {
	const provide = defaultProvider(init);
	return async options => {
		let timer: NodeJS.Timeout | undefined;
		const expired = new Promise<never>((_, reject) => {
			const expire = () =>
				reject(new CredentialsFailure('timeout', `no credentials within ${Math.round(limit / 1000)} s`));
			timer = setTimeout(expire, limit);
		});
		try {
			return await Promise.race([provide(options), expired]);
		} catch (error) {
			throw isExplained(error)
				? error
				: new CredentialsFailure('server', 'the response of the credential service contains no credentials', error);
		} finally {
			clearTimeout(timer);
		}
	};
}

/** The others are those of parsers, and may quote the response. */
function isExplained(error: unknown): boolean {
	return (
		error instanceof CredentialsFailure ||
		networkFault(error) !== undefined ||
		(error instanceof Error && (error.name !== 'Error' || '$metadata' in error) && !(error instanceof SyntaxError))
	);
}
