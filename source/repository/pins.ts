/**
 * Pins: who keeps a run and why, in `pg_back_<time>.pinned.json` next to its manifest. No purge removes a pinned run.
 */
import {join} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {isSystemError, messageOf} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {count, type Decode, DecodeError, list, object, optional, string, text} from '../lib/decode.js';
import {display} from '../lib/display.js';
import {readOwnText, UnsafeFileError} from '../lib/own-file.js';
import {parsePath} from '../retention/names.js';
import type {Pinned, ReadPin} from '../retention/purge-plan.js';
import type {ReportContext} from '../runs/context.js';
import {isMissing} from '../storage/errors.js';
import {readDirectoryIfThere} from './backup-directories.js';
import {manifestDirectory} from './manifests.js';
import type {Remote} from './remote.js';
import {downloadBase} from './remote-keys.js';

export type Pin = {
	readonly schema: number;
	readonly runId: string;
	/** The user who pinned it, and the host. */
	readonly by: string;
	readonly host: string;
	/** UTC. */
	readonly time: string;
	readonly reason?: string;
	/** The files of the run, relative to the place: they are kept even if the manifest is lost. */
	readonly files: readonly string[];
};

export const longestReason = 500;
/** Bytes; a pin names every file of its run. */
const largest = 64 << 20;

const path = text(
	value => !value.includes('\0') && value.split('/').every(part => part !== '' && part !== '.' && part !== '..'),
	'safe relative path',
);
const decodePin: Decode<Pin> = object({
	schema: count,
	runId: string,
	by: text(value => value.length > 0 && value.length <= 200, 'name of a user'),
	host: string,
	time: text(value => !Number.isNaN(Date.parse(value)), 'utc instant'),
	reason: optional(text(value => value.length <= longestReason, 'short reason')),
	files: list(path),
});

/** Returns undefined for content that pg_back did not write. */
export function parsePin(content: string): Pin | undefined {
	try {
		const pin = decodePin(JSON.parse(content), '');
		return pin.schema === 1 ? pin : undefined;
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof DecodeError) return undefined;
		throw error;
	}
}

/** Returns `pinned by dba: before the migration`, for people. */
export function describePin(pin: Pin | undefined): string {
	if (!pin) return 'pinned (the pin cannot be read)';
	const {by, reason} = pin;
	return display(`pinned by ${by}${reason === undefined || reason === '' ? '' : `: ${reason}`}`);
}

/** Returns the path of the pin that belongs to a manifest, in the same form as the manifest's path. */
export function pinPath(manifestPath: string): string {
	return manifestPath.replace(/manifest\.json$/, 'pinned.json');
}

/** The listing of a place's pins, and how to read one. */
export type PinSource = {
	readonly paths: (signal: AbortSignal) => AsyncIterable<string>;
	/** Throws when the pin cannot be read; returns undefined when it no longer exists. */
	readonly read: (path: string, signal: AbortSignal) => Promise<string | undefined>;
	/** Converts a path relative to the place to the form of its listing. */
	readonly resolve: (relative: string) => string;
};

export function localPinSource(configuration: Configuration): PinSource {
	const base = downloadBase(configuration.settings.backupDirectory);
	const directory = manifestDirectory(configuration);
	return {
		async *paths() {
			for (const {name} of await readDirectoryIfThere(directory)) if (isPin(name)) yield join(directory, name);
		},
		read: pin =>
			readOwnText(pin, largest).catch((error: unknown) => {
				if (isSystemError(error) && error.code === 'ENOENT') return undefined;
				throw error;
			}),
		resolve: relative => join(base, relative),
	};
}

export function remotePinSource(configuration: Configuration, remote: Remote): PinSource {
	const {storage, prefix} = remote;
	return {
		async *paths(signal) {
			for await (const {key} of storage.list(remote.keyFor(join(manifestDirectory(configuration), 'pg_back_')), {
				signal,
			}))
				if (isPin(key)) yield key;
		},
		async read(key, signal) {
			const chunks: Uint8Array[] = [];
			let size = 0;
			try {
				for await (const chunk of storage.get(key, {signal})) {
					size += chunk.byteLength;
					if (size > largest) return ''; // not written by pg_back
					chunks.push(Buffer.from(chunk));
				}
			} catch (error) {
				// A service that lists the pin and does not return it must not cost the pinned dumps.
				if (isMissing(error) && !(await isListed(remote, key, signal))) return undefined;
				throw error;
			}
			return Buffer.concat(chunks).toString();
		},
		resolve: relative => `${prefix}${relative}`,
	};
}

async function isListed({storage}: Remote, key: string, signal: AbortSignal): Promise<boolean> {
	for await (const object of storage.list(key, {signal})) if (object.key === key) return true;
	return false;
}

export function pinSource(configuration: Configuration, {remote}: {readonly remote: Remote | undefined}): PinSource {
	return remote ? remotePinSource(configuration, remote) : localPinSource(configuration);
}

function isPin(name: string): boolean {
	const parsed = parsePath(name);
	return parsed?.subject.kind === 'run' && parsed.suffix === 'pinned.json';
}

export type FoundPin = {
	readonly path: string;
	/** Undefined when it cannot be read: the run is kept nevertheless. */
	readonly pin: Pin | undefined;
};

/**
 * Reads one pin. Returns undefined when it no longer exists, or belongs to another user (with a warning). A damaged pin
 * of ours still counts, so that no pinned run is removed. Throws the errors of a remote.
 */
export async function readPin(
	emit: Emit,
	source: PinSource,
	pinFile: string,
	signal: AbortSignal,
): Promise<FoundPin | undefined> {
	try {
		const content = await source.read(pinFile, signal);
		if (content === undefined) return undefined;
		const pin = parsePin(content);
		if (!pin) warn(emit, `the pin ${pinFile} is damaged: its run is kept; remove it with --unpin`);
		return {path: pinFile, pin};
	} catch (error) {
		if (error instanceof UnsafeFileError) {
			warn(emit, `ignoring the pin ${pinFile}: ${error.message}`);
			return undefined;
		}
		if (!isSystemError(error)) throw error;
		warn(emit, `the pin ${pinFile} cannot be read (${messageOf(error)}): its run is kept`);
		return {path: pinFile, pin: undefined};
	}
}

/** Returns the reader that a purge uses. */
export function pinReader(run: ReportContext, source: PinSource): ReadPin {
	return async (pinFile): Promise<Pinned | undefined> => {
		const found = await readPin(run.emit, source, pinFile, run.signal);
		return found && {reason: describePin(found.pin), paths: (found.pin?.files ?? []).map(source.resolve)};
	};
}

/** Returns every pin of a place, by its path. */
export async function findPins(
	emit: Emit,
	source: PinSource,
	signal: AbortSignal,
): Promise<ReadonlyMap<string, FoundPin>> {
	const pins = new Map<string, FoundPin>();
	for await (const pinFile of source.paths(signal)) {
		const found = await readPin(emit, source, pinFile, signal);
		if (found) pins.set(pinFile, found);
	}
	return pins;
}

function warn(emit: Emit, message: string): void {
	emit({type: 'log', level: 'warn', text: display(message)});
}
