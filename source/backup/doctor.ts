/** `--doctor`: one page about everything that a backup needs, with the exit statuses of monitoring plug-ins. */
import {readdir, stat, statfs} from 'node:fs/promises';
import {join} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {freshFor} from '../core/dump-age.js';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {formatBytes, formatDuration, plural} from '../lib/format.js';
import {once} from '../lib/single-chunk.js';
import {knownVulnerabilities} from '../postgres/client-vulnerabilities.js';
import {findTools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {checkAge} from '../repository/check-age.js';
import {downloadBase} from '../repository/remote-keys.js';
import {parsePath} from '../retention/names.js';
import type {RunIdentity, SecretContext, ServerContext, StoreContext} from '../runs/context.js';
import {loadConfiguredDecryption, loadRunEncryption} from '../runs/identities.js';
import {findOptions} from '../runs/prepare-backup.js';
import {nearestExisting} from './backup-directory.js';
import {checkDirectory, checkRemote, checkServer, withSession} from './check-connections.js';

export type Finding = {
	readonly level: 'ok' | 'warning' | 'critical';
	readonly what: string;
	readonly text: string;
	/** What the user should do. */
	readonly hint?: string;
};

/** Seconds by which the clocks of server and host may differ. */
const clockTolerance = 60;

/** Makes every check, regardless of the results of the others. Rejects only when the run is stopped. */
export async function examine(run: ServerContext & SecretContext & RunIdentity): Promise<readonly Finding[]> {
	const {upload, backupDirectory} = run.configuration.settings;
	const directory = downloadBase(backupDirectory);
	const checks: readonly (readonly [string, () => Promise<Finding | readonly Finding[]>])[] = [
		['server', async () => ok('server', await checkServer(run))],
		['tools', () => examineTools(run)],
		['clock', () => examineClock(run)],
		['backup directory', async () => ok('backup directory', await checkDirectory(run, directory))],
		['disk', async () => examineDisk(await nearestExisting(directory))],
		['files', () => examineFiles(run.configuration, directory)],
		...upload.map(
			store => [`remote ${store}`, async () => ok(`remote ${store}`, await checkRemote(run, store))] as const,
		),
		['keys', () => examineKeys(run)],
		['newest dumps', () => examineAge(run)],
		['configuration file', () => examineConfigurationFile(run.configuration)],
	];
	const findings: Finding[] = [];
	for (const [what, check] of checks) {
		run.signal.throwIfAborted();
		try {
			findings.push(...[await check()].flat());
		} catch (error) {
			run.signal.throwIfAborted();
			const {message, hint} = toPgBackError(error);
			findings.push({level: 'critical', what, text: message, ...(hint !== undefined && {hint})});
		}
	}
	return [...findings, ...run.configuration.warnings.map(text => warning('configuration', text))];
}

/** Returns the page, and 0, 1 or 2 for its worst finding. Pure. */
export function pageOf(findings: readonly Finding[]): {readonly lines: string; readonly status: 0 | 1 | 2} {
	const words = {ok: 'OK', warning: 'WARNING', critical: 'CRITICAL'} as const;
	const has = (level: Finding['level']) => findings.some(finding => finding.level === level);
	const worst = has('critical') ? 'critical' : has('warning') ? 'warning' : 'ok';
	const count = findings.filter(finding => finding.level !== 'ok').length;
	const heading = `PG_BACK ${words[worst]} - ${count === 0 ? 'everything is in order' : `${count} of ${findings.length} findings need attention`}`;
	const rows = findings.flatMap(({level, what, text, hint}) => [
		`${words[level].padEnd(9)} ${what}: ${display(text)}`,
		...(hint === undefined ? [] : [`${' '.repeat(10)}${display(hint)}`]),
	]);
	const status = worst === 'critical' ? 2 : worst === 'warning' ? 1 : 0;
	return {lines: `${[heading, ...rows].join('\n')}\n`, status};
}

const ok = (what: string, text: string): Finding => ({level: 'ok', what, text});
const warning = (what: string, text: string): Finding => ({level: 'warning', what, text});

/** Reports which tools a run would use and why, and known vulnerabilities of their versions. */
async function examineTools(run: ServerContext & SecretContext): Promise<readonly Finding[]> {
	const untrusted: Finding[] = [];
	const options = {...findOptions(run), onUntrusted: (text: string) => untrusted.push(warning('tools', text))};
	const serverVersion = await withSession(run, session => Promise.resolve(session.serverVersion));
	const tools = await findTools({...options, serverVersion});
	const {pgDump, psql, pgRestore, reason} = tools;
	const used = [
		`${pgDump.path} ${formatVersion(pgDump.version)} (${reason})`,
		`psql ${formatVersion(psql.version)}`,
		...(pgRestore ? [`pg_restore ${formatVersion(pgRestore.version)}`] : []),
	];
	const vulnerable = [pgDump, psql, ...(pgRestore ? [pgRestore] : [])]
		.map(knownVulnerabilities)
		.filter(text => text !== undefined)
		.map(text => warning('tools', text));
	return [
		ok('tools', used.join(', ')),
		...(tools.warning === undefined ? [] : [warning('tools', tools.warning)]),
		...untrusted,
		...vulnerable,
	];
}

async function examineClock(run: ServerContext & SecretContext): Promise<Finding> {
	const [theirs, ours] = await withSession(run, async session => {
		const [[text] = []] = await session.query('select extract(epoch from pg_catalog.clock_timestamp())');
		return [Number(text), run.now().getTime() / 1000] as const;
	});
	const difference = Math.abs(theirs - ours);
	if (difference <= clockTolerance) return ok('clock', 'the clocks of the server and this host agree');
	return {
		...warning('clock', `the clocks of the server and this host differ by ${formatDuration(difference)}`),
		hint: 'file names, retention and --check-age use the clock of this host: synchronize both with NTP',
	};
}

async function examineDisk(directory: string): Promise<Finding> {
	const {bavail, blocks, bsize} = await statfs(directory);
	const free = bavail * bsize;
	const share = blocks === 0 ? 1 : bavail / blocks;
	const text = `${formatBytes(free)} free of ${formatBytes(blocks * bsize)} (${Math.round(share * 100)} %)`;
	if (share >= 0.1) return ok('disk', text);
	return {...warning('disk', text), hint: 'purge older dumps, or enlarge the file system of the backup directory'};
}

/** Checks that other users cannot read the dumps, unless that was configured. */
async function examineFiles(configuration: Configuration, directory: string): Promise<Finding> {
	const {backupFileMode} = configuration.settings;
	const wanted = backupFileMode ?? 0o777;
	const entries = (await lstatIfThere(directory)) ? await readdir(directory, {withFileTypes: true}) : [];
	const readable: string[] = [];
	for (const entry of entries) {
		if (!entry.isFile() || parsePath(entry.name) === undefined) continue;
		const {mode} = await stat(join(directory, entry.name));
		if ((mode & 0o077 & ~wanted) !== 0) readable.push(entry.name);
	}
	const [first] = readable;
	if (first === undefined) return ok('files', `no file in ${directory} has more permissions than configured`);
	return {
		...warning(
			'files',
			`${plural(readable.length, 'file')} with more permissions than backup_file_mode, such as ${first}`,
		),
		hint: `run chmod ${wanted.toString(8).padStart(4, '0')} on them: anyone who can read a dump can read the database`,
	};
}

/** Checks, if private keys are available, that they decrypt what is encrypted. */
async function examineKeys(run: SecretContext & RunIdentity): Promise<Finding> {
	const {encrypt} = run.configuration.settings;
	if (!encrypt) return ok('keys', 'dumps are not encrypted');
	const encryption = await loadRunEncryption(run);
	const keys = await loadConfiguredDecryption(run);
	if (keys === undefined)
		return ok(
			'keys',
			'the public keys are valid; no private key is configured, so the dumps cannot be decrypted on this host',
		);
	const {encryptStream} = await import('../stages/age/encrypt.js');
	const {decryptStream} = await import('../stages/age/decrypt.js');
	const probe = Buffer.from(run.runId);
	const sealed = encryptStream(once(probe), encryption, run.signal);
	const opened: Uint8Array[] = [];
	for await (const chunk of decryptStream(sealed, keys, run.signal)) opened.push(chunk);
	if (!Buffer.concat(opened).equals(probe))
		throw new PgBackError('CORRUPT', 'decrypting what was just encrypted gave different data');
	return ok('keys', 'the configured private key decrypts new dumps');
}

async function examineAge(run: StoreContext): Promise<Finding> {
	const {text, status} = await checkAge(run, freshFor);
	const summary = text.replace(/^PG_BACK \w+ - /, '').replace(/ \| .*$/, '');
	return {level: status === 0 ? 'ok' : status === 2 ? 'critical' : 'warning', what: 'newest dumps', text: summary};
}

async function examineConfigurationFile(configuration: Configuration): Promise<Finding> {
	const {configFile} = configuration;
	if (configFile === undefined) return ok('configuration file', 'none, the defaults are used');
	try {
		const {mode, uid} = await stat(configFile);
		return ok('configuration file', `${configFile}, mode ${(mode & 0o7777).toString(8)}, owner ${uid}`);
	} catch (error) {
		return warning('configuration file', messageOf(error));
	}
}
