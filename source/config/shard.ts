/**
 * Determines the shard of this process: by `--shard`, or by the variables with which an engine numbers its processes.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';

export type Shard = {
	/** From 1 on. */
	readonly index: number;
	/** The number of shards of the run. */
	readonly of: number;
};

export type ShardChoice = {
	/** Undefined with `--write-plan`, which needs only the number of shards. */
	readonly index: number | undefined;
	readonly of: number;
	/** The same for all processes of one run, and different for each run. */
	readonly runName: string;
	/**
	 * The engine reports that it restarts this process, or names each run: a run that is already complete is then not a
	 * mistake.
	 */
	readonly isKnownRun: boolean;
};

type Engine = {
	readonly name: string;
	readonly index: string;
	/** Returns the number of processes, if the engine provides it. */
	readonly count?: (env: Environment) => number | undefined;
	/** Returns the position from 0, if the engine's index does not begin with 0. */
	readonly position?: (env: Environment) => number | undefined;
	/** Returns a name that no other run has. */
	readonly runName?: (env: Environment) => string | undefined;
};

const engines: readonly Engine[] = [
	{name: 'Kubernetes', index: 'JOB_COMPLETION_INDEX'},
	{
		name: 'Slurm',
		index: 'SLURM_ARRAY_TASK_ID',
		count: slurmCount,
		position: slurmPosition,
		runName: env => prefixed('slurm-', env['SLURM_ARRAY_JOB_ID']),
	},
	{
		name: 'AWS Batch',
		index: 'AWS_BATCH_JOB_ARRAY_INDEX',
		count: env => natural(env['AWS_BATCH_JOB_ARRAY_SIZE']),
		// The id of a child consists of the id of the array job and its index.
		runName: env => prefixed('batch-', env['AWS_BATCH_JOB_ID']?.replace(/:\d+$/, '')),
	},
	{
		name: 'Cloud Run',
		index: 'CLOUD_RUN_TASK_INDEX',
		count: env => natural(env['CLOUD_RUN_TASK_COUNT']),
		runName: env => prefixed('', env['CLOUD_RUN_EXECUTION']),
	},
	{
		name: 'Nomad',
		index: 'NOMAD_ALLOC_INDEX',
		// Only jobs that Nomad creates for one run: `backup/periodic-1764295200`.
		runName: env =>
			/\/(?:periodic|dispatch)-/.test(env['NOMAD_JOB_ID'] ?? '')
				? env['NOMAD_JOB_ID']?.replaceAll('/', '-')
				: undefined,
	},
];

/** A larger number can only be a mistake. */
const mostShards = 10_000;

/**
 * Returns the shard of this process. Throws USAGE when `text` (`I/N`, `auto`, `auto/N`) and the environment are not
 * sufficient.
 */
export function chooseShard(
	text: string,
	{runName, writesPlan, env}: {readonly runName: string; readonly writesPlan: boolean; readonly env: Environment},
): ShardChoice {
	const {number, count} = parseShard(text);
	const isAuto = number === undefined;
	const engine = isAuto || runName === '' ? engineOf(env, isAuto && !writesPlan) : undefined;
	const of = checkedCount(count ?? engine?.count?.(env));
	const index = number ?? indexOf(engine, env);
	if (index === undefined && !writesPlan) throw usage('--shard: the index of this process is not known');
	if (index !== undefined && (index < 1 || index > of))
		throw usage(`--shard: there is no shard ${index} of ${of}`, 'shards are numbered from 1 on');
	const found = runName === '' ? engine?.runName?.(env) : undefined;
	const name = checkedName(runName === '' ? found : runName);
	return {index, of, runName: name, isKnownRun: found !== undefined || isRestart(env)};
}

/** Returns neither number for `auto`, only the count for `auto/N`. */
function parseShard(text: string): {readonly number?: number; readonly count?: number} {
	const [, number, auto, count] = /^(?:(\d+)|(auto))(?:\/(\d+))?$/.exec(text) ?? [];
	if (number === undefined && auto === undefined)
		throw usage(`--shard: ${display(text)} is not I/N, auto or auto/N`, 'write --shard 3/8, or --shard auto/8');
	return {
		...(number !== undefined && {number: Number(number)}),
		...(count !== undefined && {count: Number(count)}),
	};
}

function checkedCount(of: number | undefined): number {
	if (of === undefined)
		throw usage('--shard: the number of shards is not known', 'write --shard auto/N with the number of processes');
	if (of < 1 || of > mostShards) throw usage(`--shard: ${of} shards: expected 1 to ${mostShards}`);
	return of;
}

function checkedName(name: string | undefined): string {
	if (name === undefined)
		throw usage(
			'--shard needs --run-name: a name that all processes of this run share, and no other run has',
			'in Kubernetes give the name of the Job, from the label batch.kubernetes.io/job-name',
		);
	if (/^[A-Za-z0-9][\w.-]{0,127}$/.test(name)) return name;
	throw usage(
		`--run-name: ${display(JSON.stringify(name))} cannot be the name of a run`,
		'use up to 128 letters, digits, _, . and -, and begin with a letter or a digit',
	);
}

/** Throws USAGE when `required` and there is none, and when there are several. */
function engineOf(env: Environment, required: boolean): Engine | undefined {
	const found = engines.filter(({index}) => (env[index] ?? '') !== '');
	const [first, ...others] = found;
	if (others.length > 0)
		throw usage(
			`--shard auto: several engines number this process: ${found.map(({index}) => index).join(', ')}`,
			'write --shard I/N and --run-name',
		);
	if (first === undefined && required)
		throw usage(
			`--shard auto: no engine numbers this process: none of ${engines.map(({index}) => index).join(', ')} is set`,
			'write --shard I/N',
		);
	return first;
}

function indexOf(engine: Engine | undefined, env: Environment): number | undefined {
	if (engine === undefined) return undefined;
	const position = engine.position ? engine.position(env) : natural(env[engine.index]);
	if (position === undefined)
		throw usage(
			`--shard auto: ${engine.index}=${display(env[engine.index] ?? '')} does not number this process`,
			'write --shard I/N',
		);
	return position + 1;
}

/** Array indexes with gaps have no position: `--array=1,2,9`. */
function slurmCount(env: Environment): number | undefined {
	const count = natural(env['SLURM_ARRAY_TASK_COUNT']);
	const [least, greatest] = [natural(env['SLURM_ARRAY_TASK_MIN']), natural(env['SLURM_ARRAY_TASK_MAX'])];
	if (count === undefined || least === undefined || greatest === undefined) return undefined;
	return (greatest - least) / slurmStep(env) + 1 === count ? count : undefined;
}

function slurmPosition(env: Environment): number | undefined {
	const id = natural(env['SLURM_ARRAY_TASK_ID']);
	const least = natural(env['SLURM_ARRAY_TASK_MIN']);
	if (id === undefined || least === undefined) return undefined;
	const position = (id - least) / slurmStep(env);
	return Number.isSafeInteger(position) && position >= 0 ? position : undefined;
}

function slurmStep(env: Environment): number {
	return Math.max(1, natural(env['SLURM_ARRAY_TASK_STEP']) ?? 1);
}

function isRestart(env: Environment): boolean {
	return (
		(natural(env['SLURM_RESTART_COUNT']) ?? 0) > 0 ||
		(natural(env['AWS_BATCH_JOB_ATTEMPT']) ?? 1) > 1 ||
		(natural(env['CLOUD_RUN_TASK_ATTEMPT']) ?? 0) > 0
	);
}

function natural(text: string | undefined): number | undefined {
	return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function prefixed(prefix: string, text: string | undefined): string | undefined {
	return text === undefined || text === '' ? undefined : `${prefix}${text}`;
}

function usage(message: string, hint?: string): PgBackError {
	return new PgBackError('USAGE', message, hint === undefined ? {} : {hint});
}
