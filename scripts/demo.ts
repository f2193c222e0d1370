/**
 * `npm run demo`: starts a throwaway PostgreSQL with sample databases, backs it up as a user would, checks the files, and
 * proves one dump by restoring it. `npm run demo -- -h HOST -U USER …` backs that server up into a scratch directory instead.
 * Everything made is removed at the end, also on Ctrl-C; only the dumps of a server that was named are kept.
 */
import {mkdir, mkdtemp, readdir, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {generateIdentity, identityToRecipient} from 'age-encryption';
import {attach, capture, cleanEnvironment, StoppedBySignal} from './demo/command.js';
import {createDatabases} from './demo/databases.js';
import {proveRestorable} from './demo/proof.js';
import {startServer, type Server} from './demo/server.js';

const program = join(import.meta.dirname, '../dist/pg_back.cjs');
const interrupt = new AbortController();
let exitStatus = 1;
// A terminal that went away takes no more text; the cleaning up goes on.
process.stdout.on('error', () => undefined);
for (const [name, number] of [
	['SIGINT', 2],
	['SIGTERM', 15],
	['SIGHUP', 1],
] as const) {
	process.on(name, () => {
		exitStatus = 128 + number;
		interrupt.abort(new StoppedBySignal(name));
	});
}

function say(text = ''): void {
	process.stdout.write(`${text}\n`);
}

const userArguments = process.argv.slice(2);
const scratch = await mkdtemp(join(tmpdir(), 'pg_back-demo-'));
let keep = false;
try {
	if (userArguments.length > 0) keep = await dumpNamedServer();
	else await dumpThrowawayServer();
	interrupt.signal.throwIfAborted();
	exitStatus = 0;
} catch (error) {
	say(`demo: ${error instanceof Error ? error.message : String(error)}`);
} finally {
	if (!keep) {
		await rm(scratch, {recursive: true, force: true});
		say(`Removed ${scratch}`);
	}
	process.exitCode = exitStatus;
}

async function dumpThrowawayServer(): Promise<void> {
	const started = performance.now();
	const server = await startServer(scratch, interrupt.signal);
	try {
		const count = await createDatabases(server);
		say(`Started a throwaway PostgreSQL ${server.major} with ${count} sample databases (${secondsSince(started)})`);
		await backUp(server);
	} finally {
		await server.stop();
		say('Stopped the throwaway server');
	}
}

async function backUp(server: Server): Promise<void> {
	const backups = join(scratch, 'backups');
	const offsite = join(scratch, 'offsite');
	await mkdir(backups);
	await mkdir(offsite);
	const environment = cleanEnvironment();
	const privateKey = await generateIdentity();
	const keyFile = join(scratch, 'key.txt');
	await writeFile(keyFile, `${privateKey}\n`, {mode: 0o600});
	const publicKey = await identityToRecipient(privateKey);
	const common = ['--no-config-file', '-b', backups];
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory];
	const canUpload = (await capture(process.execPath, [program, '--help'])).includes('--local-directory');
	const upload = canUpload ? ['--upload', 'local', '--local-directory', offsite] : [];
	await pgBack(
		[...common, ...connection, '-j', '2', '-S', 'sha256', '--cipher-public-key', publicKey, '--encrypt', ...upload],
		environment,
	);

	const source = canUpload ? offsite : backups;
	await listFiles(source);
	await verifyChecksums(source);
	// The bad day: everything comes from the place it was shipped to.
	const restored = join(scratch, 'restored');
	await mkdir(restored);
	if (canUpload)
		await pgBack(
			[
				'--no-config-file',
				'-b',
				restored,
				'--download',
				'local',
				'--local-directory',
				offsite,
				'--decrypt',
				'--cipher-identity-file',
				keyFile,
				'shop_*',
			],
			environment,
		);
	else await pgBack([...common, '--decrypt', '--cipher-identity-file', keyFile, 'shop_*'], environment);
	const place = canUpload ? restored : backups;
	const dump = (await readdir(place)).find(name => name.startsWith('shop_') && name.endsWith('.dump'));
	if (dump === undefined) throw new Error(`no dump of shop in ${place}`);
	const proof = await proveRestorable(server, 'shop', join(place, dump), interrupt.signal);
	say(
		`Restored shop as ${proof.copy}: ${proof.tables} tables, ${proof.rows} rows, the same as the original in all that pg_dump sees`,
	);
}

/** Backs up the server that the options name; gives whether the dumps are to be kept. */
async function dumpNamedServer(): Promise<boolean> {
	const backups = join(scratch, 'backups');
	await mkdir(backups);
	await pgBack([...userArguments, '-b', backups, '-S', 'sha256'], process.env);
	await listFiles(backups);
	await verifyChecksums(backups);
	say(`The dumps are in ${backups}; remove them with: rm -r ${scratch}`);
	return true;
}

async function pgBack(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
	say(
		`\n$ pg_back ${args.map(argument => (/^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument}'`)).join(' ')}`,
	);
	const status = await attach(process.execPath, [program, ...args], environment, interrupt.signal);
	interrupt.signal.throwIfAborted();
	if (status !== 0) throw new Error(`pg_back ended with exit status ${status}`);
	say();
}

/** The dumps; the checksum files beside them only as a number. */
async function listFiles(directory: string): Promise<void> {
	const names = (await readdir(directory, {recursive: true})).sort();
	const dumps = names.filter(name => !name.includes('.sha256'));
	for (const name of dumps) {
		const {size} = await stat(join(directory, name));
		say(`${size.toLocaleString('en').padStart(14)}  ${name}`);
	}
	say(`${String(names.length - dumps.length).padStart(14)}  checksum files`);
}

/** By the system's own sha256sum, in the directory of the files. */
async function verifyChecksums(directory: string): Promise<void> {
	const checksums = (await readdir(directory, {recursive: true})).filter(name => name.endsWith('.sha256'));
	let files = 0;
	for (const name of checksums) {
		const path = join(directory, name);
		const output = await capture('sha256sum', ['-c', '--', relative(join(path, '..'), path)], {
			cwd: join(path, '..'),
			signal: interrupt.signal,
		});
		files += output.trim().split('\n').length;
	}
	if (files === 0) throw new Error(`no checksum file in ${directory}`);
	say(`sha256sum -c: ${files} files are as they were written`);
}

function secondsSince(start: number): string {
	return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
