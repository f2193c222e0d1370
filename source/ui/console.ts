/** The console's own state beside the engine's, and the one place where both become what is drawn. */
import {messageOf} from '../core/errors.js';
import type {EngineHandle} from '../core/handle.js';
import {countJobs, type RunState} from '../core/state.js';
import type {Dialog, Waiting} from './dialog.js';
import type {FilesStore} from './files/store.js';
import type {Glyphs} from './glyphs.js';
import type {Home} from './home.js';
import type {Size} from './terminal.js';
import type {Tone} from './text.js';
import {initialView, type FilesView, type JobsView, type LogsView, type View} from './view.js';

/** Why the console was left. */
export type LeaveReason =
	/** Nothing was running. */
	| 'quit'
	/** Work goes on without the screen. */
	| 'detached'
	/** All work has been cancelled, and is ending. */
	| 'cancelled'
	/** The run ended, and the screen was not to stay. */
	| 'finished'
	/** The terminal is gone; work goes on. */
	| 'hangup';

/** All that one frame shows. */
export type Frame = Size & {
	readonly run: RunState;
	readonly view: View;
	/** Milliseconds since the epoch. */
	readonly now: number;
	readonly tick: number;
	readonly glyphs: Glyphs;
	readonly home: Home;
	readonly files: FilesStore;
	/** Changes when the file list has. */
	readonly filesVersion: number;
	readonly info: ConsoleInfo;
};

/** What the caller says about itself. */
export type ConsoleInfo = {
	readonly version: string;
	/** Where the plain log goes if the terminal dies; the Logs screen shows it. */
	readonly hangupLog?: string;
	/** True when nothing can be steered: a recorded run. */
	readonly readOnly: boolean;
};

/** What an action may do: look, change the view, ask the engine, leave. */
export type Console = {
	readonly handle: EngineHandle;
	readonly files: FilesStore;
	readonly glyphs: Glyphs;
	readonly info: ConsoleInfo;
	readonly now: () => number;
	readonly size: () => Size;
	readonly view: () => View;
	readonly set: (patch: Partial<View>) => void;
	readonly setJobs: (patch: Partial<JobsView>) => void;
	readonly setLogs: (patch: Partial<LogsView>) => void;
	readonly setFiles: (patch: Partial<FilesView>) => void;
	readonly ask: (dialog: Dialog | undefined) => void;
	/** Shows one line for a few seconds. */
	readonly say: (text: string, tone?: Tone) => void;
	/** Shows what went wrong with something that was started. */
	readonly attempt: (work: Promise<unknown>) => void;
	readonly copy: (text: string) => void;
	readonly leave: (reason: LeaveReason) => void;
	/** Gives the terminal to the plain log until a key brings the screen back. */
	readonly stream: () => void;
	readonly redraw: () => void;
	/** Stops the whole program, as Ctrl-Z does. */
	readonly suspend: () => void;
};

export type ConsoleParts = Pick<
	Console,
	'handle' | 'files' | 'glyphs' | 'info' | 'now' | 'size' | 'copy' | 'leave' | 'stream' | 'redraw' | 'suspend'
> & {
	/** Something that is drawn has changed by a person's hand: draw at once. */
	readonly onChange: () => void;
};

const messageTime = 6000;

export function createConsole(parts: ConsoleParts): Console {
	let view = initialView;
	const set = (patch: Partial<View>) => {
		const waiting = waitingIn(view.dialog);
		view = {...view, ...patch};
		if (waiting !== waitingIn(view.dialog)) waiting?.abort();
		parts.onChange();
	};
	const say = (text: string, tone: Tone = 'warn') => set({message: {text, tone, until: parts.now() + messageTime}});
	return {
		...parts,
		view: () => view,
		set,
		setJobs: patch => set({jobs: {...view.jobs, ...patch}}),
		setLogs: patch => set({logs: {...view.logs, ...patch}}),
		setFiles: patch => set({files: {...view.files, ...patch}}),
		ask: dialog => set({dialog}),
		say,
		attempt(work) {
			work.catch((error: unknown) => say(messageOf(error), 'failed'));
		},
	};
}

function waitingIn(dialog: Dialog | undefined): Waiting | undefined {
	return dialog && 'waiting' in dialog ? dialog.waiting : undefined;
}

/** True while a job runs or waits to run. */
export function isWorking(run: RunState): boolean {
	if (run.finished !== undefined) return false;
	const counts = countJobs(run);
	return (
		counts.running + counts.waiting > 0 || (run.startedAt > 0 && run.command !== 'console' && run.phase !== 'finished')
	);
}
