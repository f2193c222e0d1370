/**
 * `npm run demo`: starts a throwaway PostgreSQL with sample databases, backs it up as a user would, checks the files, and restores
 * a database from the remote copy. On a terminal the console shows the work, and can be opened on the dumps in the end.
 * `npm run demo -- -h HOST -U USER …` backs that server up into a scratch directory instead.
 * Everything made is removed at the end, also on Ctrl-C; only the dumps of a server that was named are kept.
 */
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline/promises';
import {generateIdentity, identityToRecipient} from 'age-encryption';
import {attach, cleanEnvironment, StoppedBySignal} from './demo/command.js';
import {createDatabases} from './demo/databases.js';
import {describeDumps, verifyChecksums} from './demo/files.js';
import {compareDatabases} from './demo/proof.js';
import {printReport} from './demo/report.js';
import {type Server, startServer} from './demo/server.js';

const program = join(import.meta.dirname, '../dist/pg_back.cjs');
const interrupt = new AbortController();
let exitStatus = 1;
// A closed terminal accepts no more output; the cleanup continues.
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
const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
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
	const common = ['--no-config-file', '-b', backups, '--local-directory', offsite];
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory];
	const started = performance.now();
	const encryption = ['--encrypt', '--cipher-public-key', publicKey];
	await pgBack([...common, ...connection, '-j', '2', '-S', 'sha256', ...encryption, '--upload', 'local'], environment);
	const took = secondsSince(started);
	const dumps = await describeDumps(offsite);
	const checksums = await verifyChecksums(offsite, interrupt.signal);

	// The bad day: the database comes from the place where it was uploaded to.
	const [database, copy] = ['shop', 'shop_restored'];
	const restore = ['--restore', 'local', '--into', copy, '--cipher-identity-file', keyFile];
	await pgBack([...common, ...connection, ...restore, database], environment);
	const proof = await compareDatabases(server, database, copy, interrupt.signal);
	const console = [...common, ...connection, '--cipher-identity-file', keyFile, '-i'];
	printReport(say, [
		['dumped', `${dumps.text} in ${took}, from PostgreSQL ${server.major}`],
		['encrypted', `for the public key ${publicKey}`],
		['stored in', backups],
		['uploaded to', offsite],
		['checked', `sha256sum -c: ${checksums} files are as they were written`],
		[
			'restored',
			`${database} as ${copy}, from ${offsite}: ${proof.tables} tables, ${proof.rows} rows, the same as the original in all that pg_dump sees`,
		],
		['console', isTerminal ? 'answer y below' : `pg_back -i -b DIRECTORY, with the dumps that are to be looked at`],
	]);
	if (isTerminal && (await wants('Open the console on these dumps? Everything is removed afterwards. [y/N] ')))
		await pgBack(console, environment, {stays: true});
}

/** Backs up the server that the options name; returns whether the dumps are to be kept. */
async function dumpNamedServer(): Promise<boolean> {
	const backups = join(scratch, 'backups');
	await mkdir(backups);
	const started = performance.now();
	await pgBack([...userArguments, '-b', backups, '-S', 'sha256'], process.env);
	const dumps = await describeDumps(backups);
	const checksums = await verifyChecksums(backups, interrupt.signal);
	printReport(say, [
		['dumped', `${dumps.text} in ${secondsSince(started)}`],
		['stored in', backups],
		['checked', `sha256sum -c: ${checksums} files are as they were written`],
		['console', `node ${program} ${userArguments.join(' ')} -b ${backups} -i`],
		['remove with', `rm -r ${scratch}`],
	]);
	return true;
}

/** On a terminal the console shows the work and is left when that is done; `stays`: when the user leaves it. */
async function pgBack(
	args: readonly string[],
	environment: NodeJS.ProcessEnv,
	{stays = false}: {readonly stays?: boolean} = {},
): Promise<void> {
	say(
		`\n$ pg_back ${args.map(argument => (/^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument}'`)).join(' ')}`,
	);
	const leaving = isTerminal && !stays ? ['--exit-when-done'] : [];
	const status = await attach(process.execPath, [program, ...leaving, ...args], environment, interrupt.signal);
	interrupt.signal.throwIfAborted();
	if (status !== 0) throw new Error(`pg_back ended with exit status ${status}`);
}

async function wants(question: string): Promise<boolean> {
	const terminal = createInterface({input: process.stdin, output: process.stdout});
	try {
		return /^y/i.test(await terminal.question(`\n${question}`, {signal: interrupt.signal}));
	} finally {
		terminal.close();
	}
}

function secondsSince(start: number): string {
	return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
