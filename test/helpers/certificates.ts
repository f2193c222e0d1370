/** Creates certificates at test time with openssl: valid ones and every kind that must be rejected. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {scratchDirectory} from './program.js';

export type Issued = {
	/** PEM, followed by the intermediate certificates, if any. */
	readonly cert: string;
	readonly key: string;
	/** File of `cert`. */
	readonly certFile: string;
};

export type IssueOptions = {
	/** `DNS:localhost,IP:127.0.0.1` by default. */
	readonly names?: string;
	/** `20200101000000Z`. */
	readonly from?: string;
	readonly to?: string;
	readonly digest?: 'sha256' | 'sha1';
	readonly bits?: number;
};

export type Authority = {
	/** File of the authority's certificate. */
	readonly file: string;
	/** A self-signed server certificate for localhost. */
	readonly self: Issued;
	readonly issue: (name: string, options?: IssueOptions) => Issued;
	/** Creates an authority signed by this one. */
	readonly intermediate: (name: string, options?: IssueOptions) => Authority;
};

const openssl = (...args: string[]) => execFileSync('openssl', args, {stdio: ['ignore', 'pipe', 'pipe']}).toString();

/** Creates an authority in a new directory. */
export function createAuthority(name = 'Test Root'): Authority {
	const directory = scratchDirectory('ca');
	return authorityIn(directory, {id: 'root', name});
}

type Place = {readonly id: string; readonly name: string; readonly parent?: string; readonly options?: IssueOptions};

function authorityIn(directory: string, {id, name, parent, options: own = {}}: Place): Authority {
	const path = (file: string) => join(directory, file);
	const sign = (child: string, subject: string, extensions: string, options: IssueOptions) => {
		openssl(
			'req',
			'-new',
			'-newkey',
			`rsa:${options.bits ?? 2048}`,
			'-nodes',
			'-keyout',
			path(`${child}.key`),
			'-out',
			path(`${child}.csr`),
			'-subj',
			`/CN=${subject}`,
		);
		const database = path(`${child}.db`);
		mkdirSync(database);
		writeFileSync(join(database, 'index.txt'), '');
		writeFileSync(path(`${child}.ext`), extensions);
		const conf = path(`${child}.conf`);
		writeFileSync(
			conf,
			`[ca]\ndefault_ca=d\n[d]\ndatabase=${join(database, 'index.txt')}\nnew_certs_dir=${database}\npolicy=p\nrand_serial=yes\nunique_subject=no\n[p]\ncommonName=supplied\n`,
		);
		const signer =
			child === id && parent === undefined
				? ['-selfsign', '-keyfile', path(`${child}.key`)]
				: ['-cert', path(`${issuerOf(child)}.crt`), '-keyfile', path(`${issuerOf(child)}.key`)];
		openssl(
			'ca',
			'-batch',
			'-notext',
			'-config',
			conf,
			...signer,
			'-in',
			path(`${child}.csr`),
			'-out',
			path(`${child}.crt`),
			'-extfile',
			path(`${child}.ext`),
			'-startdate',
			options.from ?? '20200101000000Z',
			'-enddate',
			options.to ?? '20990101000000Z',
			'-md',
			options.digest ?? 'sha256',
		);
	};
	const issuerOf = (child: string) => (child === id ? (parent ?? id) : id);
	sign(
		id,
		name,
		'basicConstraints=critical,CA:true\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n',
		own,
	);
	let count = 0;
	return {
		file: path(`${id}.crt`),
		self: {
			cert: readFileSync(path(`${id}.crt`), 'utf8'),
			key: readFileSync(path(`${id}.key`), 'utf8'),
			certFile: path(`${id}.crt`),
		},
		issue(subject, options = {}) {
			const child = `${id}-${count++}`;
			sign(
				child,
				subject,
				`basicConstraints=CA:false\nsubjectAltName=${options.names ?? 'DNS:localhost,IP:127.0.0.1'}\n`,
				options,
			);
			return {
				cert: readFileSync(path(`${child}.crt`), 'utf8'),
				key: readFileSync(path(`${child}.key`), 'utf8'),
				certFile: path(`${child}.crt`),
			};
		},
		intermediate: (subject, options = {}) =>
			authorityIn(directory, {id: `${id}-sub${count++}`, name: subject, parent: id, options}),
	};
}
