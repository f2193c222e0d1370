import {display} from '../lib/display.js';
import {formatBytes} from '../lib/format.js';
import {jsonLine as safeJson} from '../lib/json-line.js';
import {listRemote} from '../repository/list-remote.js';
import {describePin, findPins, remotePinSource} from '../repository/pins.js';
import {openRemote, shortRetries, type Store} from '../repository/remote.js';
import {dumpOf, parsePath} from '../retention/names.js';
import type {RunResult, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import type {StorageObject} from '../storage/storage.js';
import {type Io, writerTo} from './io.js';

/**
 * Prints one key per line on stdout as they arrive, with control and invisible characters escaped (`--json` has the
 * exact keys); `--long` adds size, time and the parsed name, `--json` prints an object per line.
 */
export async function printRemote(io: Io, run: StoreContext, store: Store): Promise<RunResult> {
	const {long, json} = run.configuration.settings;
	const pinned = json || long ? await pinnedKeys(run, store) : () => undefined;
	const line = json
		? (object: StorageObject) => jsonLine(object, pinned(object.key))
		: long
			? (object: StorageObject) => longLine(object, pinned(object.key))
			: (object: StorageObject) => display(object.key);
	const write = writerTo(io);
	let pending = '';
	try {
		try {
			for await (const object of listRemote(run, store)) {
				pending += `${line(object)}\n`;
				if (pending.length < 16_384) continue;
				await write(pending);
				pending = '';
			}
		} finally {
			if (pending !== '') await write(pending); // also when a pattern matched nothing
		}
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error; // the reader has closed the pipe
	}
	return resultOf([], run.signal);
}

/** Returns the reason for which a key's run is pinned. */
async function pinnedKeys(run: StoreContext, store: Store): Promise<(key: string) => string | undefined> {
	const remote = await openRemote(run, store, shortRetries);
	try {
		const source = remotePinSource(run.configuration, remote);
		const pinned = new Map<string, string>();
		const names = new Map<string, string>();
		for (const {path, pin} of (await findPins(run.emit, source, run.signal)).values()) {
			names.set(path.replace(/pinned\.json$/, ''), describePin(pin));
			for (const file of pin?.files ?? []) pinned.set(source.resolve(file), describePin(pin));
		}
		return key =>
			pinned.get(dumpOf(key)) ??
			names.get(key.replace(/(?:manifest\.json|private\.json\.age|proven\.json|pinned\.json)$/, ''));
	} finally {
		await remote.close();
	}
}

function longLine({key, size, modified}: StorageObject, pinned: string | undefined): string {
	const time = modified === undefined ? '-' : new Date(modified).toISOString().replace(/\.\d+Z$/, 'Z');
	return `${formatBytes(size).padStart(9)}  ${time.padEnd(20)}  ${stateOf(key).padEnd(27)}  ${display(key)}${pinned === undefined ? '' : `  ${pinned}`}`;
}

function jsonLine({key, size, modified}: StorageObject, pinned: string | undefined): string {
	const name = parsePath(key);
	return safeJson({
		key,
		size,
		...(modified !== undefined && {modified: new Date(modified).toISOString()}),
		...(pinned !== undefined && {pinned}),
		...(name && {
			subject: name.subject.kind === 'database' ? name.subject.name : name.subject.kind,
			kind: name.subject.kind,
			time: new Date(name.time).toISOString(),
			suffix: name.suffix,
			encrypted: name.encrypted,
			...(name.checksum !== undefined && {checksum: name.checksum}),
		}),
	});
}

function stateOf(key: string): string {
	const name = parsePath(key);
	if (!name) return 'foreign';
	const what = name.checksum === undefined ? name.suffix : `${name.checksum} of ${name.suffix}`;
	return name.encrypted ? `${what}, encrypted` : what;
}
