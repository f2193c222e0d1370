/** The state of a run, which `reduce` makes of its events. */
import type {KeyedList} from '../lib/keyed-list.js';
import type {TailList} from '../lib/tail-list.js';
import type {
	Command,
	EventError,
	JobProgress,
	JobQuestion,
	JobResult,
	LineLevel,
	Outcome,
	PlannedJob,
	PublishedFile,
	RunTotals,
	ServerInfo,
	StageName,
	StageProgress,
} from './events.js';
import type {NetworkStall} from './network-text.js';

export type StageState = 'waiting' | 'running' | 'done' | 'failed';

export type StageStatus = {
	readonly state: StageState;
	/** Milliseconds since the epoch. */
	readonly startedAt?: number;
	readonly finishedAt?: number;
	readonly progress?: StageProgress;
};

export type UploadedFile = {
	readonly path: string;
	readonly location: string;
	readonly key: string;
	readonly checked: string;
	/** Another process of a divided run had uploaded it. */
	readonly adopted?: boolean;
};

export type JobFile = PublishedFile & {
	/** The local file was removed after its upload was checked. */
	readonly removed?: true;
};

export type JobState = PlannedJob & {
	readonly status: 'waiting' | 'running' | Outcome;
	/**
	 * Jobs that ran at the same time have the same number, so that finished work is not counted with work that started
	 * later.
	 */
	readonly batch: number;
	readonly attempt: number;
	/** The job failed or was canceled, and can be repeated. */
	readonly canRetry?: true;
	/** Milliseconds since the epoch. */
	readonly startedAt?: number;
	readonly finishedAt?: number;
	readonly stage: {readonly [S in StageName]?: StageStatus};
	/** The upload to each of several places, by the store. */
	readonly uploadTo?: {readonly [place: string]: StageStatus};
	/** Present while the job runs. */
	readonly progress?: JobProgress;
	readonly error?: EventError;
	/** Present when the job is done. */
	readonly result?: JobResult;
	/** The job waits for the answer to this question. */
	readonly question?: JobQuestion;
	readonly command?: string;
	/** The last lines that its child processes wrote. */
	readonly output: readonly string[];
	readonly files: readonly JobFile[];
	readonly uploads: readonly UploadedFile[];
};

export type LogLine = {
	readonly time: number;
	readonly level: LineLevel;
	readonly text: string;
	readonly job?: string;
	/** Counts from 0 over the whole run, so that it is a stable key. */
	readonly index: number;
};

export type RunState = {
	readonly runId: string;
	readonly command: Command;
	readonly version: string;
	/** The host that pg_back runs on. */
	readonly host: string;
	/** The process id on that host. */
	readonly pid?: number;
	/** Another server of the fleet, if the work is for its dumps. */
	readonly serverName?: string | undefined;
	/** Milliseconds since the epoch; 0 before the first event. */
	readonly startedAt: number;
	/** The time of the latest event. */
	readonly time: number;
	readonly phase: string;
	readonly server?: ServerInfo;
	readonly concurrency: number;
	readonly destinations: readonly string[];
	readonly encryption?: string;
	readonly totals?: RunTotals;
	readonly batch: number;
	readonly jobs: KeyedList<JobState>;
	/** The latest lines, at most `maxLogLines`. */
	readonly log: TailList<LogLine>;
	readonly logCount: number;
	readonly warnings: number;
	/** Databases with a shrunken dump, with the loss in percent. */
	readonly shrunk?: Readonly<Record<string, number>>;
	/** The remote location that takes and gives nothing; absent while all is well. */
	readonly network?: NetworkStall;
	readonly finished?: {
		readonly exitCode: number;
		readonly outcome: Outcome;
		readonly error?: EventError;
		readonly at: number;
	};
};
