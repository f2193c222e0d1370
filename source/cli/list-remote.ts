import type {RunContext, RunResult} from '../engine/context.js';
import {jsonLine as safeJson} from '../lib/json-line.js';
import {listRemote} from '../engine/list-remote.js';
import {resultOf} from '../engine/outcome.js';
import type {Store} from '../engine/remote.js';
import {display} from '../lib/display.js';
import {formatBytes} from '../lib/format.js';
import {parsePath} from '../retention/names.js';
import type {StorageObject} from '../storage/storage.js';
import {writerTo, type Io} from './io.js';

/** One key a line on stdout as they arrive; `--long` adds size, time and what the name says, `--json` an object a line. */
export async function printRemote(io: Io, run: RunContext, store: Store): Promise<RunResult> {
	const {long, json} = run.configuration.settings;
	const line = json
		? jsonLine
		: long
			? longLine
			: (object: StorageObject) => (io.stdout.isTTY ? display(object.key) : object.key);
	const write = writerTo(io);
	let pending = '';
	try {
		for await (const object of listRemote(run, store)) {
			pending += `${line(object)}\n`;
			if (pending.length < 16_384) continue;
			await write(pending);
			pending = '';
		}
		if (pending !== '') await write(pending);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error; // the reader has seen enough
	}
	return resultOf([], run.signal);
}

function longLine({key, size, modified}: StorageObject): string {
	const time = modified === undefined ? '-' : new Date(modified).toISOString().replace(/\.\d+Z$/, 'Z');
	return `${formatBytes(size).padStart(9)}  ${time.padEnd(20)}  ${stateOf(key).padEnd(27)}  ${display(key)}`;
}

function jsonLine({key, size, modified}: StorageObject): string {
	const name = parsePath(key);
	return safeJson({
		key,
		size,
		...(modified !== undefined && {modified: new Date(modified).toISOString()}),
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
