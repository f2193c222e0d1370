/** Which certificate authorities are trusted: Node's, the host's, and configured ones. */
import {X509Certificate} from 'node:crypto';
import {readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {
	createSecureContext,
	getCACertificates,
	rootCertificates,
	type SecureContext,
	setDefaultCACertificates,
} from 'node:tls';
import type {Environment} from '../environment.js';
import {readGivenFileSync} from '../given-file.js';
import {HttpConfigError} from './config-error.js';

/** Where the distributions keep the certificate authorities of the host; the first existing file is used. */
const systemFiles = [
	'/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Arch, Alpine
	'/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // RHEL, Fedora
	'/etc/pki/tls/certs/ca-bundle.crt', // RHEL
	'/etc/ssl/ca-bundle.pem', // SUSE
	'/etc/ssl/cert.pem', // Alpine, macOS, BSD
	'/usr/local/etc/ssl/cert.pem', // FreeBSD
];

/** Variables that name a file of further authorities. */
const fileVariables = ['SSL_CERT_FILE', 'AWS_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'];

export type Trust = {
	/** Returns the TLS context, created at the first use. */
	readonly context: () => SecureContext;
	/**
	 * Returns where the certificates come from, in addition to Node.js's own: `/etc/ssl/certs/ca-certificates.crt`,
	 * `/etc/ca.pem (ca_file)`.
	 */
	readonly sources: () => readonly string[];
	/** Makes connections of this process trust the same authorities if they are not opened with `context`. */
	readonly setDefault: () => void;
};

/**
 * Returns the trust settings of this program's connections. `caFile` adds to the host's store, as the variables do.
 * Throws HttpConfigError immediately for a configured file that cannot be read or contains no certificate.
 */
export function createTrust(env: Environment, caFile = ''): Trust {
	const files = [
		...(caFile === '' ? [] : [[caFile, 'ca_file'] as const]),
		...fileVariables.flatMap(name => (env[name] ? [[env[name], name] as const] : [])),
	];
	const directories = env['SSL_CERT_DIR'];
	// One certificate is enough to know: parsing all of a host's takes a third of the start of a command.
	for (const [path, setting] of files) certificatesIn(path, setting, 1);
	if (directories) certificatesBelow(directories, 1);
	const named = () => [
		...[...new Map(files)].flatMap(([path, setting]) => certificatesIn(path, setting)),
		...(directories ? certificatesBelow(directories) : []),
	];
	const sources = () => [
		...[systemCertificates().path ?? []].flat(),
		...(caFile === '' ? [] : [`${caFile} (ca_file)`]),
		...[...fileVariables, 'SSL_CERT_DIR'].flatMap(name => (env[name] ? [`${env[name]} (${name})`] : [])),
	];
	const authorities = () => [...new Set([...rootCertificates, ...systemCertificates().certificates, ...named()])];
	let made: SecureContext | undefined;
	return {
		context: () =>
			(made ??= createSecureContext({
				ca: authorities(),
				// A server's own certificate, or an intermediate one, may be configured too.
				allowPartialTrustChain: true,
			})),
		sources,
		setDefault: () => setDefaultCACertificates(authorities()),
	};
}

/**
 * Returns the certificates of a file, in PEM, at most `most`. Throws HttpConfigError, with the name of the setting, if
 * there are none.
 */
export function certificatesIn(path: string, setting: string, most = Infinity): readonly string[] {
	const hint = `${setting} must be a file of certificates in PEM format`;
	let bytes: Buffer;
	try {
		bytes = readGivenFileSync(path);
	} catch (cause) {
		const {code} = cause as NodeJS.ErrnoException;
		const why =
			code === 'ENOENT'
				? 'no such file'
				: code === 'EACCES'
					? 'permission denied'
					: code === 'EISDIR'
						? 'it is a directory'
						: code === 'EFBIG'
							? 'file too large'
							: code === 'ESPIPE'
								? 'it is a pipe'
								: code;
		throw new HttpConfigError(`could not read ${path} (${setting}): ${why ?? 'unknown error'}`, hint, cause);
	}
	const found = parse(bytes, most);
	if (found.length === 0) throw new HttpConfigError(`${path} (${setting}) contains no certificate`, hint);
	return found;
}

/** Parses PEM with any text around it, or one certificate in DER. */
function parse(bytes: Buffer, most: number): readonly string[] {
	const blocks = pemBlocks(bytes.toString('latin1'));
	const found: string[] = [];
	for (const one of blocks.length > 0 ? blocks : [bytes]) {
		if (found.length >= most) break;
		try {
			found.push(new X509Certificate(one).toString());
		} catch {
			// no certificate: others may be
		}
	}
	return found;
}

function pemBlocks(text: string): readonly string[] {
	return (
		text
			.replaceAll('TRUSTED CERTIFICATE', 'CERTIFICATE')
			.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
	);
}

/** Reads SSL_CERT_DIR, one or more directories separated by `:`. */
function certificatesBelow(directories: string, most = Infinity): readonly string[] {
	const found: string[] = [];
	for (const directory of directories.split(':').filter(Boolean)) {
		for (const name of entriesOf(directory)) {
			if (found.length >= most) break;
			try {
				const path = join(directory, name);
				if (statSync(path).isFile()) found.push(...parse(readFileSync(path), most));
			} catch {
				// a dangling link, or another kind of file
			}
		}
	}
	if (found.length > 0) return found;
	throw new HttpConfigError(
		`${directories} (SSL_CERT_DIR) contains no certificate`,
		'SSL_CERT_DIR must be a directory of certificates in PEM format',
	);
}

function entriesOf(directory: string): readonly string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}

function systemCertificates(): {readonly path?: string; readonly certificates: readonly string[]} {
	for (const path of systemFiles) {
		try {
			const blocks = pemBlocks(readFileSync(path, 'latin1'));
			if (blocks.length > 0) return {path, certificates: blocks};
		} catch {
			continue; // of another distribution
		}
	}
	return {certificates: process.platform === 'linux' ? [] : getCACertificates('system')};
}
