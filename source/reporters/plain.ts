import type {Listener} from '../core/bus.js';
import type {LineLevel} from '../core/events.js';
import type {RunState} from '../core/run-state.js';
import {logLine} from '../lib/log-line.js';
import {jobProgressText} from './progress-text.js';
import type * as Summary from './summary.js';

export type PlainOptions = {
	/** Receives whole lines, for stderr. */
	readonly write: (text: string) => void;
	readonly verbose: boolean;
	/** Only WARN, ERROR and FATAL; overrides `verbose`. */
	readonly quiet: boolean;
	/** Milliseconds between two lines for each running job; 0 for none. */
	readonly heartbeat?: number;
	/** First index of the log to print: earlier lines were already shown. */
	readonly from?: number;
};

export type Source = {
	readonly state: () => RunState;
	readonly subscribe: (listener: Listener) => () => void;
};

/**
 * Writes the log for cron and pipes: `YYYY/MM/DD HH:MM:SS LEVEL: text`, one line for each change of state, a heartbeat
 * during long dumps, a table at the end. Returns the function that stops it, when everything is written.
 */
export function startPlainReporter(source: Source, options: PlainOptions): () => Promise<void> {
	// The code that measures the table's cells loads slowly: it is loaded while waiting for the server.
	let table: typeof Summary | undefined;
	const loading = options.quiet ? undefined : import('./summary.js').then(module => (table = module));
	/** Finished runs that wait for that code, with everything logged since. */
	const ended: {readonly time: number; readonly state: RunState}[] = [];
	let next = options.from ?? source.state().logCount;
	const shown = (level: LineLevel) =>
		level === 'debug' ? options.verbose && !options.quiet : level === 'info' ? !options.quiet : true;
	const print = (time: number, level: LineLevel, text: string) => {
		if (!shown(level)) return;
		options.write(logLine(time, level, text, options.verbose && !options.quiet));
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
	// The table comes first, so that the reason of a failure is the last line.
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
