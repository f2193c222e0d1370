/**
 * ssh2's own server in this process: accepts a password, stores files in memory, and rejects or breaks what a test
 * requests.
 */
import {generateKeyPairSync} from 'node:crypto';
import type {AddressInfo} from 'node:net';
import ssh2, {type SFTPWrapper} from 'ssh2';

const {Server, utils} = ssh2;
const {STATUS_CODE, OPEN_MODE} = utils.sftp;

export type FaultyServer = {
	readonly port: number;
	/** `SHA256:…` is made from it by the tests. */
	readonly hostKey: Buffer;
	readonly files: ReadonlyMap<string, Buffer>;
	/**
	 * Returns the response to the request of this name (`WRITE`, `REMOVE`, `RENAME` …) instead of doing it; undefined: do
	 * it.
	 */
	refuse: (
		request: string,
		path: string,
		bytes: number,
	) => {readonly code: number; readonly message?: string} | undefined;
	/** Responds to a request in its own way when it returns true. `data` is the content of a WRITE. */
	lie: (lie: Lie) => boolean;
	/** Returns what a WRITE stores: other bytes, or nothing, while it is confirmed. */
	stores: (offset: number, data: Buffer) => Buffer | undefined;
	/** Login methods that were tried, in order. */
	readonly tried: string[];
	readonly stop: () => Promise<void>;
};

export type Lie = {
	readonly request: string;
	readonly id: number;
	readonly path: string;
	readonly sftp: SFTPWrapper;
	readonly handle?: Buffer;
};

export type FaultyOptions = {
	/** Each of these must succeed, in any order: `publickey` with any key, `password` with the password. */
	readonly requires?: readonly ('publickey' | 'password')[];
	readonly password: string;
	/** Only keyboard-interactive asks for it. */
	readonly interactive?: boolean;
	/** Maximum bytes of a READ, 1,000 by default. */
	readonly longestRead?: number;
	/** Offers no sftp subsystem. */
	readonly noSftp?: boolean;
};

export async function startFaultyServer(options: FaultyOptions): Promise<FaultyServer> {
	const {privateKey} = generateKeyPairSync('rsa', {
		modulusLength: 2048,
		privateKeyEncoding: {type: 'pkcs1', format: 'pem'},
		publicKeyEncoding: {type: 'spki', format: 'pem'},
	});
	const parsed = utils.parseKey(privateKey);
	if (parsed instanceof Error) throw parsed;
	const files = new Map<string, Buffer>();
	const clients = new Set<{end: () => void}>();
	const server = new Server({hostKeys: [privateKey]}, client => {
		clients.add(client);
		client.on('error', () => client.end());
		client.on('close', () => clients.delete(client));
		const missing = new Set<string>(options.requires);
		client.on('authentication', context => {
			state.tried.push(context.method);
			if (options.requires) {
				const right =
					context.method === 'publickey' || (context.method === 'password' && context.password === options.password);
				if (!right || !missing.has(context.method)) return context.reject([...missing] as never);
				// A key is first only offered, without a signature.
				if (context.method === 'publickey' && !context.signature) return context.accept();
				missing.delete(context.method);
				return missing.size === 0 ? context.accept() : context.reject([...missing] as never, true);
			}
			if (!options.interactive && context.method === 'password' && context.password === options.password)
				return context.accept();
			if (options.interactive && context.method === 'keyboard-interactive') {
				return context.prompt([{prompt: 'Password: ', echo: false}], answers => {
					if (answers[0] === options.password) context.accept();
					else context.reject();
				});
			}
			return context.reject([options.interactive ? 'keyboard-interactive' : 'password']);
		});
		client.on('ready', () => {
			client.on('session', accept => {
				const session = accept();
				session.on('sftp', (acceptSftp, reject) => {
					if (options.noSftp) return reject();
					return serve(acceptSftp());
				});
			});
		});
	});
	await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
	const state: FaultyServer = {
		port: (server.address() as AddressInfo).port,
		hostKey: parsed.getPublicSSH(),
		files,
		refuse: () => undefined,
		lie: () => false,
		stores: (_offset, data) => data,
		tried: [],
		stop: () =>
			new Promise(resolve => {
				server.close(() => resolve());
				for (const client of clients) client.end();
			}),
	};
	return state;

	function serve(sftp: SFTPWrapper): void {
		const handles = new Map<number, {readonly path: string; read: boolean}>();
		let last = 0;
		const open = (id: number, path: string) => {
			handles.set(++last, {path, read: false});
			const handle = Buffer.alloc(4);
			handle.writeUInt32BE(last);
			sftp.handle(id, handle);
		};
		const pathOf = (handle: Buffer) => handles.get(handle.readUInt32BE(0))?.path ?? '';
		const directories = () => new Set(['.', ...[...files.keys()].flatMap(name => parents(name)), ...made]);
		const attributes = (path: string) => {
			const file = files.get(path);
			const type = file ? 0o100600 : 0o040700;
			return {mode: type, uid: 0, gid: 0, size: file?.length ?? 0, atime: 0, mtime: 0};
		};
		const refused = (id: number, request: string, path: string, bytes = 0): boolean => {
			if (state.lie({request, id, path, sftp})) return true;
			const answer = state.refuse(request, path, bytes);
			if (answer) sftp.status(id, answer.code, answer.message);
			return answer !== undefined;
		};
		const made = new Set<string>();
		const stat = (id: number, path: string) => {
			if (refused(id, 'STAT', path)) return;
			if (files.has(path) || directories().has(path)) sftp.attrs(id, attributes(path));
			else sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
		};
		sftp.on('OPEN', (id, path, flags) => {
			if (refused(id, 'OPEN', path)) return;
			if (flags & OPEN_MODE.EXCL && files.has(path)) return sftp.status(id, STATUS_CODE.FAILURE);
			if (flags & OPEN_MODE.CREAT && !files.has(path)) files.set(path, Buffer.alloc(0));
			else if (!files.has(path)) return sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
			open(id, path);
		});
		sftp.on('WRITE', (id, handle, offset, data) => {
			const path = pathOf(handle);
			if (refused(id, 'WRITE', path, offset + data.length)) return;
			const stored = state.stores(offset, data);
			if (!stored) return sftp.status(id, STATUS_CODE.OK);
			const old = files.get(path) ?? Buffer.alloc(0);
			const bytes = Buffer.alloc(Math.max(old.length, offset + stored.length));
			old.copy(bytes);
			stored.copy(bytes, offset);
			files.set(path, bytes);
			sftp.status(id, STATUS_CODE.OK);
		});
		sftp.on('READ', (id, handle, offset, length) => {
			if (refused(id, 'READ', pathOf(handle), offset)) return;
			const file = files.get(pathOf(handle)) ?? Buffer.alloc(0);
			if (offset >= file.length) sftp.status(id, STATUS_CODE.EOF);
			else sftp.data(id, file.subarray(offset, offset + Math.min(length, options.longestRead ?? 1000)));
		});
		sftp.on('FSTAT', (id, handle) => {
			if (!refused(id, 'FSTAT', pathOf(handle))) sftp.attrs(id, attributes(pathOf(handle)));
		});
		sftp.on('FSETSTAT', id => sftp.status(id, STATUS_CODE.OK));
		sftp.on('STAT', stat);
		sftp.on('LSTAT', stat);
		sftp.on('CLOSE', (id, handle) => {
			if (!refused(id, 'CLOSE', pathOf(handle))) sftp.status(id, STATUS_CODE.OK);
		});
		sftp.on('MKDIR', (id, path) => {
			if (refused(id, 'MKDIR', path)) return;
			made.add(path);
			sftp.status(id, STATUS_CODE.OK);
		});
		sftp.on('REMOVE', (id, path) => {
			if (refused(id, 'REMOVE', path)) return;
			sftp.status(id, files.delete(path) ? STATUS_CODE.OK : STATUS_CODE.NO_SUCH_FILE);
		});
		sftp.on('RENAME', (id, from, to) => {
			if (refused(id, 'RENAME', to)) return;
			const file = files.get(from);
			if (!file || files.has(to)) return sftp.status(id, STATUS_CODE.FAILURE);
			files.set(to, file);
			files.delete(from);
			sftp.status(id, STATUS_CODE.OK);
		});
		sftp.on('OPENDIR', (id, path) => {
			if (!refused(id, 'OPENDIR', path)) open(id, path);
		});
		sftp.on('READDIR', (id, handle) => {
			const entry = handles.get(handle.readUInt32BE(0));
			if (entry && !entry.read && refused(id, 'READDIR', entry.path)) return;
			if (!entry || entry.read) return sftp.status(id, STATUS_CODE.EOF);
			entry.read = true;
			const below = entry.path === '.' ? '' : `${entry.path}/`;
			const names = new Set(
				[...files.keys()]
					.filter(name => name.startsWith(below))
					.map(name => name.slice(below.length).split('/')[0] ?? ''),
			);
			sftp.name(
				id,
				[...names].map(filename => ({filename, longname: '', attrs: attributes(below + filename)})),
			);
		});
	}
}

function parents(path: string): string[] {
	const segments = path.split('/').slice(0, -1);
	return segments.map((_, at) => segments.slice(0, at + 1).join('/'));
}
