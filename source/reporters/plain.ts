import type {Listener} from '../core/bus.js';
import type {LogLevel} from '../core/events.js';
import type {RunState} from '../core/state.js';
import {display} from '../lib/display.js';
import {logTime} from './log-time.js';
import {jobProgressText} from './progress-text.js';
import type * as Summary from './summary.js';

export type PlainOptions = {
	/** Gets whole lines, for stderr. */
	readonly write: (text: string) => void;
	readonly verbose: boolean;
	/** Only WARN, ERROR and FATAL; beats `verbose`. */
	readonly quiet: boolean;
	/** Milliseconds between two lines for each job that runs; 0 for none. */
	readonly heartbeat?: number;
	/** First index of the log to print: lines before it were shown elsewhere. */
	readonly from?: number;
};

export type Source = {
	readonly state: () => RunState;
	readonly subscribe: (listener: Listener) => () => void;
};

/**
 * The log for cron and pipes: `YYYY/MM/DD HH:MM:SS LEVEL: text`, one line for each change of state, a heartbeat so that a long dump is
 * not silent, a table at the end. Returns the function that ends it, when all is written.
 */
export function startPlainReporter(source: Source, options: PlainOptions): () => Promise<void> {
	// What measures the table's cells takes long to load: it comes while the server is being waited for.
	let table: typeof Summary | undefined;
	const loading = options.quiet ? undefined : import('./summary.js').then(module => (table = module));
	/** Runs whose table has to wait for that, and with them all that was logged since. */
	const ended: {readonly time: number; readonly state: RunState}[] = [];
	let next = options.from ?? source.state().logCount;
	const shown = (level: LogLevel) =>
		level === 'debug' ? options.verbose && !options.quiet : level === 'info' ? !options.quiet : true;
	const print = (time: number, level: LogLevel, text: string) => {
		if (!shown(level)) return;
		options.write(`${logTime(time, options.verbose && !options.quiet)} ${level.toUpperCase()}: ${display(text)}\n`);
	};
	const catchUp = (state: RunState) => {
		for (const line of state.log.slice(Math.max(0, state.log.length - (state.logCount - next))))
			print(line.time, line.level, line.text);
		next = state.logCount;
	};
	catchUp(source.state());
	const unsubscribe = source.subscribe((event, state) => {
		if (event.type === 'run.finished' && !options.quiet) ended.push({time: event.time, state});
		if (ended.length === 0) catchUp(state);
		else if (table) tell(table);
	});
	// The table first: what the run failed of is the last thing that is read.
	const tell = ({summaryLines}: typeof Summary) => {
		for (const {time, state} of ended.splice(0)) {
			for (const text of summaryLines(state)) print(time, 'info', text);
			catchUp(state);
		}
		catchUp(source.state());
	};
	const interval = options.heartbeat ?? 60_000;
	const timer = interval > 0 ? setInterval(heartbeat, interval) : undefined;
	timer?.unref();
	function heartbeat() {
		const state = source.state();
		for (const job of state.jobs.values()) {
			if (job.status === 'running') print(Date.now(), 'info', `${job.name}: ${jobProgressText(job, Date.now())}`);
		}
	}
	return async () => {
		clearInterval(timer);
		unsubscribe();
		if (ended.length > 0) tell((await loading) ?? (await import('./summary.js')));
	};
}
