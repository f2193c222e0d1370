/** Listings, manifests and dump contents for the console. */
import {relative} from 'node:path';
import type {DumpVerdict, EngineHandle, ListedFile, RunSummary} from '../core/handle.js';
import type {Secrets} from '../core/secrets.js';
import {formatBytes} from '../lib/format.js';
import {parsePath} from '../retention/names.js';
import type {RunContext} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {missingSecret} from '../runs/key-material.js';
import {databaseAges, lastGoodOf} from './check-age.js';
import {missingForDumps} from './dump-keys.js';
import type {FoundManifest} from './found-manifest.js';
import {backupLocation, storeOf} from './locations.js';
import {type ManifestFile, summarizeManifest} from './manifest.js';
import {describePin, findPins, pinPath, pinSource} from './pins.js';
import {openPlace, type Place, type PlaceFile} from './place.js';
import {lastProven, lastRestored, type Proven, readProof, readProofs} from './proofs.js';
import {downloadBase} from './remote-keys.js';
import {describeCompared, verdictOf} from './verdict.js';

type Browser = Pick<
	EngineHandle,
	'missingSecret' | 'list' | 'runs' | 'ages' | 'lastGoodOf' | 'checkSecrets' | 'remove'
>;

export function createBrowser(context: Omit<RunContext, 'signal'>): Browser {
	const runFor = (signal: AbortSignal, secrets?: Secrets): RunContext => ({
		...context,
		signal,
		...(secrets && {secrets}),
	});
	/** `onTrouble` gets what is warned of meanwhile: attempts that failed, and are made again. */
	const open = (location: string, signal: AbortSignal, onTrouble?: (reason: string) => void) => {
		const run = runFor(signal);
		const emit: RunContext['emit'] = event => {
			if (event.type === 'log' && event.level === 'warn') onTrouble?.(event.text);
			run.emit(event);
		};
		return openPlace({...run, emit}, storeOf(location) ?? backupLocation, {retryBudget: listingBudget});
	};
	return {
		async *list(location, {signal, onTrouble}) {
			const place = await open(location, signal, onTrouble);
			try {
				for await (const file of place.list(signal)) {
					// Lock files of active runs are not backups.
					if (place.remote || !file.path.endsWith('.lock')) yield listedFile(file);
				}
			} finally {
				await place.close();
			}
		},
		async *runs(location, {signal}) {
			const place = await open(location, signal);
			try {
				yield* summaries(runFor(signal), place);
			} finally {
				await place.close();
			}
		},
		ages: async (location, {signal}) => databaseAges(runFor(signal), storeOf(location) ?? backupLocation),
		async missingSecret(dumps, {secrets, signal = neverAborted()} = {}) {
			const run = runFor(signal, secrets);
			if (dumps === undefined) return missingSecret(run);
			const place = await open(dumps.location, signal);
			try {
				return await missingForDumps(run, place, dumps.keys);
			} finally {
				await place.close();
			}
		},
		async checkSecrets(secrets) {
			await loadRunDecryption(runFor(neverAborted(), secrets));
		},
		lastGoodOf: async (location, keys) =>
			lastGoodOf(runFor(AbortSignal.timeout(60_000)), storeOf(location) ?? backupLocation, keys),
		async remove(location, keys) {
			const signal = AbortSignal.timeout(3_600_000);
			const place = await open(location, signal);
			try {
				const errors = await place.remove(keys, signal);
				return keys.flatMap((key, index) => {
					const error = errors[index];
					if (!error)
						context.emit({
							type: 'file.removed',
							path: key,
							location: place.label,
							reason: `deleted from ${place.label} by hand`,
						});
					return error ? [{key, message: error.message}] : [];
				});
			} finally {
				await place.close();
			}
		},
	};
}

/** Yields what the manifests of a place say, with what drills and pins add. */
async function* summaries(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
): AsyncGenerator<RunSummary> {
	const {signal} = run;
	const base = downloadBase(run.configuration.settings.backupDirectory);
	const proofs = await readProofs(run, place, signal);
	const pins = await findPins(run.emit, pinSource(run.configuration, place), signal);
	for (const found of await place.manifests(signal)) {
		const {path, manifest} = found;
		const pin = pins.get(pinPath(path));
		const proof = proofs.get(manifest.runId);
		const proven = lastProven(manifest, proof);
		const restored = lastRestored(manifest, proof);
		yield {
			...summarizeManifest(manifest),
			...(proven !== undefined && {lastProven: proven}),
			...(restored !== undefined && {lastRestored: restored}),
			...(pin && {pinned: describePin(pin.pin)}),
			dumps: verdictsOf(place, base, found, proof),
		};
	}
}

function neverAborted(): AbortSignal {
	return new AbortController().signal;
}

/** Milliseconds for which a person who waits sees attempts fail before the listing is given up. */
const listingBudget = 120_000;

function listedFile({path, size, modified}: PlaceFile): ListedFile {
	return {key: path, size, ...(modified !== undefined && {modified}), ...nameOf(path)};
}

function nameOf(path: string): Pick<ListedFile, 'name'> {
	const parsed = parsePath(path);
	if (!parsed) return {};
	const {subject, subjectText, timeText, time, suffix, encrypted, checksum, member} = parsed;
	return {
		name: {
			subject: subject.kind === 'database' ? subject.name : subjectText,
			timeText,
			time,
			suffix,
			encrypted,
			...(checksum !== undefined && {checksum}),
			...(member !== undefined && {member}),
		},
	};
}

/** What is known of each file of a run; of the manifest itself only that it belongs to it. */
function verdictsOf(place: Place, base: string, found: FoundManifest, proof: Proven | undefined): DumpVerdict[] {
	const {path, parts = [], manifest} = found;
	const own = [path, ...parts].map(one => (place.remote ? one.slice(place.remote.prefix.length) : relative(base, one)));
	const drilled = new Map(proof?.runId === manifest.runId ? proof.databases.map(one => [one.database, one]) : []);
	return [
		...own.map((key): DumpVerdict => ({key, ...nameOf(key), verdict: 'none'})),
		...manifest.files.map((file): DumpVerdict => {
			const drill = file.role === 'dump' && file.database !== undefined ? drilled.get(file.database) : undefined;
			const named = {key: file.path, ...nameOf(file.path)};
			if (drill) return {...named, verdict: verdictOf(drill), at: Date.parse(drill.time)};
			return {...named, verdict: ({none: 'none', hash: 'hashed', full: 'verified'} as const)[file.verified]};
		}),
	];
}

/** Returns labels and values in order, for people, from the name and the manifest. */
export async function describeDump(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	path: string,
): Promise<readonly [string, string][]> {
	const {signal} = run;
	const parsed = parsePath(path);
	const found = (await place.manifests(signal)).find(({manifest}) => manifest.files.some(file => file.path === path));
	const file = found?.manifest.files.find(one => one.path === path);
	const facts: [string, string][] = [['name', path]];
	if (parsed?.subject.kind === 'database') facts.push(['database', parsed.subject.name]);
	if (parsed) facts.push(['time', new Date(parsed.time).toISOString()]);
	if (found && file) {
		facts.push(...manifestFacts(found, file));
		if (file.role === 'dump') facts.push(drillFact(await readProof(run, place, found), file));
	} else facts.push(['manifest', 'none (nothing more is known without reading the file)']);
	return facts;
}

/** Says when the dump was last restored by a drill, and what was compared then. */
function drillFact(proof: Proven | undefined, {database}: ManifestFile): [string, string] {
	const drill = proof?.databases.find(one => one.database === database);
	if (!drill) return ['restored', 'by no drill yet'];
	const {time, host, server} = drill;
	const when = new Date(time).toISOString().slice(0, 16).replace('T', ' ');
	return [verdictOf(drill), `${when} UTC on ${host} with PostgreSQL ${server}: ${describeCompared(drill)}`];
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
