/**
 * R3: the states that a power failure may leave, computed from the trace of one run: unflushed changes are lost or not,
 * in any combination. A file is complete when everything written to it was flushed; a name exists with certainty when
 * its directory was flushed after it.
 */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {scratchDirectory} from '../../test/helpers/program.js';
import {straceVersion, traced} from '../../test/helpers/strace.js';
import {type Bench, everything, type Figure, randomSource, runMarked} from './sweep.js';

type Inode = {writes: number; flushed: number};
type Change = {
	readonly kind: 'link' | 'unlink';
	readonly directory: string;
	readonly path: string;
	readonly inode: Inode | undefined;
};
export type Step =
	| {readonly kind: 'write'; readonly inode: Inode}
	| {readonly kind: 'flush'; readonly inode: Inode}
	| {readonly kind: 'flush directory'; readonly path: string}
	| {readonly kind: 'change'; readonly changes: readonly Change[]};

/** Returns what a trace did below `roots`, in order. */
export function stepsOf(trace: string, roots: readonly string[]): Step[] {
	const names = new Map<string, Inode>();
	const steps: Step[] = [];
	const ours = (path: string | undefined): path is string =>
		path !== undefined && roots.some(root => path.startsWith(`${root}/`) || path === root);
	const directoryOf = (path: string) => path.slice(0, path.lastIndexOf('/'));
	const change = (...changes: Change[]) => steps.push({kind: 'change', changes});
	for (const line of join2(trace)) {
		const call = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(line);
		if (!call || Number(call[3]) < 0) continue;
		const [, name = '', args = ''] = call;
		const path = /^\d+<([^>]*)>/.exec(args)?.[1];
		const quoted = [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(match => match[1] ?? '');
		const [from, to] = quoted;
		if (/^(write|writev|pwrite64|pwritev|ftruncate)$/.test(name) && ours(path)) {
			const inode = names.get(path);
			if (!inode) continue;
			inode.writes++;
			steps.push({kind: 'write', inode});
		} else if (/^f(data)?sync$/.test(name) && ours(path)) {
			const inode = names.get(path);
			if (inode) steps.push({kind: 'flush', inode});
			else steps.push({kind: 'flush directory', path});
		} else if (name === 'openat' && args.includes('O_CREAT') && ours(from) && !names.has(from)) {
			const inode = {writes: 0, flushed: 0};
			names.set(from, inode);
			change({kind: 'link', directory: directoryOf(from), path: from, inode});
		} else if (/^link(at)?$/.test(name) && ours(from) && to !== undefined) {
			const inode = names.get(from);
			if (inode) names.set(to, inode);
			change({kind: 'link', directory: directoryOf(to), path: to, inode});
		} else if (/^rename(at2?)?$/.test(name) && ours(from) && to !== undefined) {
			const inode = names.get(from);
			names.delete(from);
			if (inode) names.set(to, inode);
			change(
				{kind: 'unlink', directory: directoryOf(from), path: from, inode},
				{kind: 'link', directory: directoryOf(to), path: to, inode},
			);
		} else if (/^unlink(at)?$/.test(name) && ours(from)) {
			change({kind: 'unlink', directory: directoryOf(from), path: from, inode: names.get(from)});
			names.delete(from);
		}
	}
	return steps;
}

/** Joins calls that strace shows in two parts, because another thread came between, at the position of their end. */
function join2(trace: string): string[] {
	const pending = new Map<string, string>();
	return trace.split('\n').flatMap(line => {
		const [, pid = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
		const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
		if (unfinished !== undefined) {
			pending.set(pid, unfinished);
			return [];
		}
		const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
		return [resumed === undefined ? rest : `${pending.get(pid) ?? ''}${resumed}`];
	});
}

/**
 * Paths of dumps and manifests under their final names, with whether their bytes are complete; other files are ignored.
 */
type State = ReadonlyMap<string, boolean>;

/**
 * Returns the state after a power failure at step `at`. `survives` decides for each unflushed write and change. Changes
 * of one call (a rename) happen together.
 */
export function stateAt(steps: readonly Step[], at: number, survives: () => boolean): State {
	const written = new Map<Inode, {all: number; flushed: number}>();
	const of = (inode: Inode) => written.get(inode) ?? {all: 0, flushed: 0};
	const changes: {readonly changes: readonly Change[]; durable: boolean}[] = [];
	for (const step of steps.slice(0, at)) {
		if (step.kind === 'write') written.set(step.inode, {...of(step.inode), all: of(step.inode).all + 1});
		else if (step.kind === 'flush') written.set(step.inode, {all: of(step.inode).all, flushed: of(step.inode).all});
		else if (step.kind === 'change') changes.push({changes: step.changes, durable: false});
		else for (const one of changes) if (one.changes.some(change => change.directory === step.path)) one.durable = true;
	}
	const names = new Map<string, Inode | undefined>();
	for (const {changes: list, durable} of changes) {
		if (!durable && !survives()) continue;
		for (const {kind, path, inode} of list) {
			if (kind === 'link') names.set(path, inode);
			else names.delete(path);
		}
	}
	const whole = (inode: Inode) => {
		const {all, flushed} = of(inode);
		return inode.writes === all && (flushed === all || survives());
	};
	return new Map(
		[...names].flatMap(([path, inode]) =>
			path.includes('/.') || path.endsWith('.lock') || !inode ? [] : [[path, whole(inode)] as const],
		),
	);
}

const databaseOf = (path: string) => /\/([^/]+)_\d{4}-\d\d-\d\dT[\d:]+Z\.dump\.age$/.exec(path)?.[1];

export async function powerSweep(bench: Bench, states: number, seed = 3): Promise<Figure> {
	const places = bench.places('power');
	const log = join(scratchDirectory('strace'), 'log');
	const roots = [places.directory, places.store];
	const calls =
		'openat,write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat';
	const wrapper = traced(log, calls, {length: 4096, paths: true});
	let trace = '';
	for (let run = 0; run < 4; run++) {
		// The third and fourth also purge.
		const {code, stderr} = await runMarked(everything(bench, places), {wrapper});
		if (code !== 0) throw new Error(`a traced run failed: ${stderr}`);
		trace += readFileSync(log, 'latin1');
	}
	const steps = stepsOf(trace, roots);
	const random = randomSource(seed);
	const violations = new Set<string>();
	// From the end of the first run on there is always something to restore.
	const firstManifest = steps.findIndex(
		step =>
			step.kind === 'change' &&
			step.changes.some(
				change =>
					change.kind === 'link' && change.path.startsWith(places.directory) && change.path.endsWith('.manifest.json'),
			),
	);
	const proven = steps.findIndex(
		(step, index) => index > firstManifest && step.kind === 'flush directory' && step.path === places.directory,
	);
	let total = 0;
	for (; total < states; total++) {
		const at = total % (steps.length + 1);
		const luck = [0, 1, 0.5, 0.9, 0.1][Math.floor(total / (steps.length + 1)) % 5] ?? 0.5;
		const state = stateAt(steps, at, () => random() < luck);
		for (const [path, whole] of state)
			if (!whole) violations.add(`step ${at}: ${path.slice(path.lastIndexOf('/') + 1)} is not whole`);
		if (at <= proven) continue;
		for (const name of bench.databases) {
			const kept = [...state].some(
				([path, whole]) => whole && path.startsWith(places.directory) && databaseOf(path) === name,
			);
			if (!kept) violations.add(`step ${at}: no whole dump of ${name} is left`);
		}
	}
	return {
		goal: 'R3',
		what: 'states after a power failure with a cut file under a final name, or no dump left',
		total,
		violations: [...violations],
		notes: {steps: steps.length, with: straceVersion()},
	};
}
