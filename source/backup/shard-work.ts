/** Turns a backup into a shard of a divided run: checks what others have uploaded before each job. */
import {PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import type {ManifestFile, ShardFacts} from '../repository/manifest.js';
import {type Remote, uploadOptions} from '../repository/remote.js';
import type {ConfiguredContext, RunIdentity} from '../runs/context.js';
import type {Task} from '../runs/scheduler.js';
import type {FileNamer} from './file-naming.js';
import {subjectOf} from './job-subjects.js';
import {type PlanFacts, selectionOf} from './plan.js';
import type {Published} from './published-files.js';
import type {ShardRun, ShardWork} from './shard.js';
import {createTakeOver, type TakeOver} from './take-over.js';

export type ShardParts = {readonly work: ShardWork; readonly takeOver: TakeOver};

export function startShard(
	run: ConfiguredContext & RunIdentity,
	remote: Remote | undefined,
	{shard, namer, published}: {readonly shard: ShardRun; readonly namer: FileNamer; readonly published: Published},
): ShardParts {
	if (!remote) throw new PgBackError('BUG', 'a shard uploads nowhere');
	const {index, of} = shard.facts;
	const manifest = remote.keyFor(namer.path({kind: 'run'}, new Date(shard.start), 'manifest.json'));
	const takeOver = createTakeOver({
		...{run, remote, claims: shard.claims, shard: {index, of}},
		manifestStem: manifest.slice(0, -'manifest.json'.length),
	});
	return {
		takeOver,
		work: {
			facts: shard.facts,
			uploads: {...uploadOptions(run, remote), deleteLocal: true},
			claim: takeOver.claim,
			find: takeOver.find,
			adopt(job, files) {
				published.adopt(job, files);
				for (const file of files) report(run.emit, job, file);
			},
		},
	};
}

/** Reports the files as those of the job, in every front end. */
function report(emit: Emit, job: string, {role, size, sha256, encryption, shipped: places}: ManifestFile): void {
	const [place] = places;
	if (!place) return;
	const {location, key, checked} = place;
	const file = {path: key, role, size, encrypted: encryption !== undefined, ...(sha256 !== undefined && {sha256})};
	emit({type: 'file.published', job, file});
	emit({type: 'file.uploaded', job, path: key, location, key, size, seconds: 0, checked, adopted: true});
}

/** Skips the task when another process has done it, which is proven by reading back. */
export function takingOver(task: Task, shard: ShardWork | undefined): Task {
	const subject = subjectOf(task.plan);
	if (!shard || !subject) return task;
	return {
		...task,
		async run(control) {
			const adopted = await shard.find(subject, control.signal);
			if (!adopted) return task.run(control);
			shard.adopt(task.plan.id, adopted);
		},
	};
}

/** Throws CONFIG when this process is connected to another cluster than the planned one. */
export function requireSameServer({systemIdentifier: planned}: ShardRun, {server}: PlanFacts): void {
	const {systemIdentifier: own} = server;
	if (planned === undefined || own === undefined || own === planned) return;
	throw new PgBackError('CONFIG', `this server is not the one that the run was planned for (${own}, not ${planned})`, {
		hint: 'give all processes of a run the same connection, and each run a --run-name of its own',
	});
}

/** Returns databases of this shard that no longer exist. Each is logged. */
export function vanished(emit: Emit, facts: PlanFacts): readonly string[] {
	const {databases, missing} = selectionOf(facts);
	const known = new Set([...databases, ...missing].map(({name}) => name));
	const gone = [...(facts.part ?? [])].filter(name => !known.has(name));
	for (const name of gone) {
		const text = display(
			`database ${name} was dropped or excluded after the plan of this run was made: not dumping it`,
		);
		emit({type: 'log', level: 'warn', text});
	}
	return gone;
}

/** Returns the manifest's entry for the shard. `gone`: databases dropped before they could be dumped. */
export function shardFacts(shard: ShardRun | undefined, gone: readonly string[]): ShardFacts | undefined {
	return shard && {...shard.facts, ...(gone.length > 0 && {gone})};
}
