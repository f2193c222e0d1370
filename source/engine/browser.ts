/** What is where: listings, manifests and contents for the console. */
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import type {DumpDetails, EngineHandle, ListedFile, RunSummary, Secrets} from '../core/handle.js';
import {formatBytes} from '../lib/format.js';
import {findTools} from '../postgres/tools.js';
import {parsePath} from '../retention/names.js';
import {decryptStream} from '../stages/age/decrypt.js';
import {listArchive} from '../stages/contents.js';
import {findOptions} from './prepare.js';
import type {RunContext} from './context.js';
import {missingSecret} from './key-material.js';
import {loadRunDecryption} from './keys.js';
import {storeOf} from './locations.js';
import {summarizeManifest, type ManifestFile} from './manifest.js';
import type {FoundManifest} from './manifests.js';
import {openPlace, type Place, type PlaceFile} from './place.js';
import {lastProven, lastRestored, readProofs} from './proven.js';

type Browser = Pick<EngineHandle, 'list' | 'runs' | 'inspect' | 'checkSecrets' | 'remove'>;

export function createBrowser(context: Omit<RunContext, 'signal'>): Browser {
	const runFor = (signal: AbortSignal, secrets?: Secrets): RunContext => ({
		...context,
		signal,
		...(secrets && {secrets}),
	});
	const open = (location: string, signal: AbortSignal) => openPlace(runFor(signal), storeOf(location) ?? 'here');
	return {
		async *list(location, {signal}) {
			const place = await open(location, signal);
			try {
				const runOf = runsByPath(await place.manifests(signal));
				for await (const file of place.list(signal)) {
					// Locks of runs that are under way are no backups.
					if (place.remote || !file.path.endsWith('.lock')) yield listedFile(file, runOf);
				}
			} finally {
				await place.close();
			}
		},
		async *runs(location, {signal}) {
			const place = await open(location, signal);
			try {
				const proofs = await readProofs(runFor(signal), place, signal);
				for (const {manifest} of await place.manifests(signal)) {
					const proof = proofs.get(manifest.runId);
					const proven = lastProven(manifest, proof);
					const restored = lastRestored(manifest, proof);
					yield {
						...summarizeManifest(manifest),
						...(proven !== undefined && {lastProven: proven}),
						...(restored !== undefined && {lastRestored: restored}),
					} satisfies RunSummary;
				}
			} finally {
				await place.close();
			}
		},
		async checkSecrets(secrets) {
			await loadRunDecryption(runFor(new AbortController().signal, secrets));
		},
		async inspect(location, key, {signal, secrets}) {
			const place = await open(location, signal);
			try {
				return await describeDump(runFor(signal, secrets), place, key);
			} finally {
				await place.close();
			}
		},
		async remove(location, keys) {
			const signal = AbortSignal.timeout(3_600_000);
			const place = await open(location, signal);
			try {
				const errors = await place.remove(keys, signal);
				return keys.flatMap((key, index) => {
					const error = errors[index];
					return error ? [{key, message: error.message}] : [];
				});
			} finally {
				await place.close();
			}
		},
	};
}

/** The run of every path that a manifest names, and of the manifests. */
function runsByPath(manifests: readonly FoundManifest[]): (path: string) => string | undefined {
	const runs = new Map<string, string>();
	const byManifest = new Map<string, string>();
	for (const {path, manifest} of manifests) {
		for (const file of manifest.files) runs.set(file.path, manifest.runId);
		byManifest.set(basename(path, '.manifest.json'), manifest.runId);
	}
	return path =>
		runs.get(path) ?? byManifest.get(basename(path).replace(/\.(manifest\.json|private\.json\.age|proven\.json)$/, ''));
}

/** Files that no manifest names (of older versions, or of a run that goes on) belong together by the time in their names. */
function listedFile({path, size, modified}: PlaceFile, runOf: (path: string) => string | undefined): ListedFile {
	const parsed = parsePath(path);
	const run = runOf(parsed?.member === undefined ? path : path.slice(0, -parsed.member.length - 1)) ?? parsed?.timeText;
	return {
		key: path,
		size,
		...(modified !== undefined && {modified}),
		...(parsed && {
			name: {
				subject: parsed.subject.kind === 'database' ? parsed.subject.name : parsed.subjectText,
				timeText: parsed.timeText,
				time: parsed.time,
				suffix: parsed.suffix,
				encrypted: parsed.encrypted,
				...(parsed.checksum !== undefined && {checksum: parsed.checksum}),
				...(parsed.member !== undefined && {member: parsed.member}),
			},
		}),
		...(run !== undefined && {run}),
	};
}

async function describeDump(run: RunContext, place: Place, key: string): Promise<DumpDetails> {
	const parsed = parsePath(key);
	const path = parsed?.member === undefined ? key : key.slice(0, -parsed.member.length - 1);
	const found = (await place.manifests(run.signal)).find(({manifest}) =>
		manifest.files.some(file => file.path === path),
	);
	const file = found?.manifest.files.find(one => one.path === path);
	const facts: [string, string][] = [['name', path]];
	if (parsed?.subject.kind === 'database') facts.push(['database', parsed.subject.name]);
	if (parsed) facts.push(['time', new Date(parsed.time).toISOString()]);
	if (found && file) facts.push(...manifestFacts(found, file));
	else facts.push(['manifest', 'none: nothing more is known without reading the file']);
	const known = file?.plain?.tables?.map(({name, rows}) => ({name, rows}));
	return {key, facts, tables: known ?? (await archiveTables(run, place, key))};
}

function manifestFacts({manifest}: FoundManifest, file: ManifestFile): [string, string][] {
	return [
		['size', formatBytes(file.size)],
		...(file.format === undefined ? [] : ([['format', file.format]] as [string, string][])),
		[
			'server',
			`PostgreSQL ${manifest.server.version}${manifest.server.host === undefined ? '' : ` at ${manifest.server.host}`}`,
		],
		['made by', `pg_back ${manifest.version} with pg_dump ${manifest.tools['pg_dump'] ?? '?'} on ${manifest.host}`],
		['run', `${manifest.runId}, ${manifest.outcome}`],
		['encrypted', file.encryption ? `age, ${file.encryption.kind}` : 'no'],
		['verified', file.verified],
		...(file.sha256 === undefined ? [] : ([['sha256', file.sha256]] as [string, string][])),
		...file.shipped.map(({location, key, checked}): [string, string] => ['shipped', `${location}${key} (${checked})`]),
	];
}

/**
 * From the archive's own table of contents, at its beginning: no more of it is read. Throws WRONG_KEY where a secret is wrong, or
 * missing and not given up on: empty secrets ask for what can be said without any.
 */
async function archiveTables(run: RunContext, place: Place, key: string): Promise<DumpDetails['tables']> {
	const parsed = parsePath(key);
	if (parsed?.checksum !== undefined || (parsed?.suffix !== 'dump' && parsed?.suffix !== 'tar')) return [];
	if (parsed.encrypted && run.secrets && Object.keys(run.secrets).length === 0) return [];
	if (parsed.encrypted && (await missingSecret(run))) {
		throw new PgBackError('WRONG_KEY', 'a private key or a passphrase is needed to read its table of contents');
	}
	const {pgRestore} = await findTools(findOptions(run));
	if (!pgRestore) return [];
	const stop = new AbortController();
	const signal = AbortSignal.any([run.signal, stop.signal]);
	const bytes = place.read(key, signal);
	const plain = parsed.encrypted ? decryptStream(bytes, await loadRunDecryption(run), signal) : bytes;
	try {
		return (await listArchive(plain, {pgRestore: pgRestore.path, env: run.env, signal})).map(name => ({name}));
	} finally {
		stop.abort();
	}
}
