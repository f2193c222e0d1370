/** Explains why a TLS connection failed, and whether a retry can help. */
import {X509Certificate} from 'node:crypto';
import type {PeerCertificate, TLSSocket} from 'node:tls';

export type TlsFailure = {
	/** `its certificate expired on 2026-01-31`. */
	readonly reason: string;
	readonly hint: string;
	/** False for a transport failure, such as a damaged record. */
	readonly permanent: boolean;
};

type Seen = {
	/** The name that the certificate must be for. */
	readonly host?: string;
	/** The certificate that the server presented. */
	readonly certificate?: X509Certificate | undefined;
	/** True once the handshake was complete. */
	readonly established?: boolean;
};

const details = Symbol('what is known of a TLS connection');

/**
 * Adds to the errors of a socket what only the socket knows: the certificate, and whether the handshake was complete.
 */
export function addTlsFailure(socket: TLSSocket, host: string): void {
	let raw: Buffer | undefined;
	let established = false;
	// Before Node's own listener, which destroys the socket when it rejects the certificate. getPeerX509Certificate would
	// break that listener's check of the host name.
	socket.prependListener('secure', () => {
		raw = (socket.getPeerCertificate() as Partial<PeerCertificate>).raw;
	});
	socket.once('secureConnect', () => (established = true));
	socket.prependListener('error', (error: Error) => {
		const certificate = raw && new X509Certificate(raw);
		Object.assign(error, {[details]: {host, certificate, established} satisfies Seen});
	});
}

/** Returns undefined for an error that is not about TLS. */
export function tlsFailure(error: Error): TlsFailure | undefined {
	const {code = ''} = error as NodeJS.ErrnoException;
	const seen = seenOf(error);
	const byCertificate = certificateFailure(code, error.message, seen);
	if (byCertificate !== undefined) return {...byCertificate, permanent: true};
	if (!/^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/.test(code) && !/SSL routines/.test(error.message)) return undefined;
	const text = `${code} ${error.message}`.replaceAll('_', ' ').toLowerCase();
	const refusal = refusals.find(({pattern, always}) => pattern.test(text) && (always || !seen.established));
	if (refusal !== undefined) return {reason: refusal.reason, hint: refusal.hint, permanent: true};
	return {
		reason: `the TLS connection broke (${opensslReason(error.message)})`,
		hint: 'check the network, and any device that inspects or changes TLS connections',
		permanent: false,
	};
}

/** Clients wrap the errors of sockets. */
function seenOf(error: unknown, depth = 0): Seen {
	if (!(error instanceof Error) || depth === 5) return {};
	return (error as {readonly [details]?: Seen})[details] ?? seenOf(error.cause, depth + 1);
}

const trustHint =
	'add the certificate of the authority to ca_file or to the trust store of this machine; if it is there already, configure the service to send its intermediate certificates';
const renewHint = 'renew the certificate of the remote service';

type CertificateFailure = Omit<TlsFailure, 'permanent'>;

const unknownAuthority = ({certificate}: Seen): CertificateFailure => ({
	reason: `its certificate is signed by an unknown authority${issuerOf(certificate)}`,
	hint: trustHint,
});

const otherHost = ({host, certificate}: Seen): CertificateFailure => ({
	reason: `its certificate is not for this host name${host === undefined ? '' : ` (${host})`}${namesOf(certificate)}`,
	hint: 'use a name from the certificate in the endpoint, or renew the certificate with this name',
});

/** Keyed by Node's error codes. */
const certificateFailures: Readonly<Partial<Record<string, (seen: Seen) => CertificateFailure>>> = {
	CERT_HAS_EXPIRED: ({certificate}) => ({
		reason: `its certificate expired${certificate ? ` on ${dayOf(certificate.validTo)}` : ''}`,
		hint: `${renewHint}, or check the clock of this machine`,
	}),
	CERT_NOT_YET_VALID: ({certificate}) => ({
		reason: `its certificate is not valid before${certificate ? ` ${dayOf(certificate.validFrom)}` : ''}`,
		hint: 'check the clock of this machine',
	}),
	ERR_TLS_CERT_ALTNAME_INVALID: otherHost,
	HOSTNAME_MISMATCH: otherHost,
	DEPTH_ZERO_SELF_SIGNED_CERT: () => ({
		reason: 'its certificate is self-signed',
		hint: 'add the certificate to ca_file',
	}),
	SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
	UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
	CERT_SIGNATURE_FAILURE: unknownAuthority,
	CERT_UNTRUSTED: unknownAuthority,
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
	CERT_REVOKED: () => ({reason: 'its certificate is revoked', hint: renewHint}),
};

/** Bits of an RSA key that OpenSSL accepts at security level 2, its default. */
const smallestKey = 2048;

function certificateFailure(code: string, message: string, seen: Seen): CertificateFailure | undefined {
	const known = Object.hasOwn(certificateFailures, code) ? certificateFailures[code] : undefined;
	if (known) return known(seen);
	const {certificate} = seen;
	if (/digest algorithm too weak|md too weak/i.test(message)) {
		const by = certificate && weakness(certificate);
		// OpenSSL does not name the certificate of the chain.
		const reason =
			certificate && by === ''
				? 'an authority of its certificate is signed with a weak algorithm such as SHA-1'
				: `its certificate is signed with ${by ?? 'a weak algorithm such as SHA-1'}`;
		return {reason, hint: renewHint};
	}
	if (/key too (weak|small)/i.test(message)) {
		const bits = certificate?.publicKey.asymmetricKeyDetails?.modulusLength;
		if (bits !== undefined && bits >= smallestKey)
			return {reason: 'an authority of its certificate has a weak key', hint: renewHint};
		return {reason: `its certificate has a weak key${bits === undefined ? '' : ` (${bits} bits)`}`, hint: renewHint};
	}
	if (!/^(CERT_|UNABLE_TO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|CRL_|ERROR_IN_CERT|UNSPECIFIED$)/.test(code))
		return undefined;
	return {reason: `its certificate cannot be verified: ${message}`, hint: trustHint};
}

/** Returns `2026-01-31`. */
function dayOf(date: string): string {
	return new Date(date).toISOString().slice(0, 10);
}

/** Returns SHA-1 or MD5, if the signature uses one. */
function weakness(certificate: X509Certificate): string {
	const {signatureAlgorithm = ''} = certificate as {readonly signatureAlgorithm?: string};
	return /sha-?1/i.test(signatureAlgorithm) ? 'SHA-1' : /md5/i.test(signatureAlgorithm) ? 'MD5' : '';
}

function namesOf(certificate: X509Certificate | undefined): string {
	const names = certificate?.subjectAltName?.replaceAll(/DNS:|IP Address:/g, '').slice(0, 200);
	return names ? ` but for ${names}` : '';
}

function issuerOf(certificate: X509Certificate | undefined): string {
	const [, name] = /^CN=(.+)$/m.exec(certificate?.issuer ?? '') ?? [];
	return name === undefined ? '' : ` (${name})`;
}

type Refusal = {
	/** Matches the code and the message, in lower case with spaces. */
	readonly pattern: RegExp;
	readonly reason: string;
	readonly hint: string;
	/** Also applies after the handshake, when some servers report it. */
	readonly always?: true;
};

const refusals: readonly Refusal[] = [
	{
		pattern: /certificate required|did not return a certificate|alert bad certificate/,
		reason: 'it requires a client certificate, which is not supported',
		hint: 'use an endpoint that does not require a client certificate',
		always: true,
	},
	{
		pattern: /wrong version number|packet length too long|http request|record layer failure|unknown protocol/,
		reason: 'it does not use TLS (is it http://?)',
		hint: 'check the scheme and the port of the endpoint',
	},
	{
		pattern:
			/unsupported protocol|protocol version|no protocols available|version too low|inappropriate fallback|unsafe legacy/,
		reason: 'it supports only TLS versions older than 1.2',
		hint: 'enable TLS 1.2 or newer on the remote service',
	},
	{
		pattern: /wrong signature type|legacy sigalg|md too weak|digest too weak/,
		reason: 'it signs with SHA-1 or another weak algorithm',
		hint: renewHint,
	},
	{pattern: /(dh|ee|ca) key too small|bad dh/, reason: 'its key is too weak', hint: renewHint},
	{
		pattern: /unrecognized name/,
		reason: 'it does not recognize the host name of the endpoint',
		hint: 'check the endpoint',
	},
	{
		pattern: /handshake failure|no shared cipher|no ciphers available|insufficient security/,
		reason: 'it supports none of our TLS ciphers, or requires a client certificate',
		hint: 'enable TLS 1.2 or newer with modern ciphers on the remote service',
	},
];

/**
 * Returns `bad record mac` for `write EPROTO 40…:error:0A000119:SSL routines:tls_get_more_records:decryption failed or
 * bad record mac:…`.
 */
function opensslReason(message: string): string {
	const [, reason] = /SSL routines:[^:]*:([^:]+)/.exec(message) ?? [];
	return reason ?? message.replaceAll(/\s+/g, ' ').slice(0, 200);
}
