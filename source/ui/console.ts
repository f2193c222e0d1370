/** The console's own state in addition to the engine's, and the one place where both become a frame. */
import {messageOf} from '../core/errors.js';
import type {EngineHandle, RunElsewhere} from '../core/handle.js';
import {countJobs} from '../core/jobs.js';
import type {RunState} from '../core/run-state.js';
import type {Secrets} from '../core/secrets.js';
import {cellWidth} from '../lib/width.js';
import type {Attached} from './attachment.js';
import type {Dialog, Waiting} from './dialog.js';
import type {FilesStore} from './files/store.js';
import type {FleetStore} from './fleet/store.js';
import {clean, type Glyphs} from './glyphs.js';
import type {Home} from './home.js';
import {wrapWords} from './layout/wrap.js';
import {joinSecrets} from './secrets.js';
import type {Size} from './terminal.js';
import type {Tone} from './text.js';
import {
	type FilesView,
	type FleetView,
	initialView,
	type JobsView,
	type LogsView,
	type ServerScreenView,
	type View,
} from './view.js';

/** Why the user left the console. */
export type LeaveReason =
	/** Nothing was running. */
	| 'quit'
	/** Work continues without the screen. */
	| 'detached'
	/** All work was canceled, and is ending. */
	| 'cancelled'
	/** The run ended, and the screen was configured not to stay. */
	| 'finished'
	/** The terminal is lost; work continues. */
	| 'hangup';

/** Everything that one frame shows. */
export type Frame = Size & {
	readonly run: RunState;
	readonly view: View;
	/** Milliseconds since the epoch. */
	readonly now: number;
	readonly tick: number;
	readonly glyphs: Glyphs;
	readonly home: Home;
	/** Present while a run of another process is shown. */
	readonly attached?: Attached;
	readonly files: FilesStore;
	readonly fleet: FleetStore;
	/** Changes with the file list. */
	readonly filesVersion: number;
	readonly info: ConsoleInfo;
};

/** Information from the caller about itself. */
export type ConsoleInfo = {
	readonly version: string;
	/** Where the plain log continues if the terminal is lost; shown on the Logs screen. */
	readonly hangupLog?: string;
	/** True when nothing can be controlled: a recorded run. */
	readonly readOnly: boolean;
};

/** The functions available to actions: read, change the view, call the engine, leave. */
export type Console = {
	/** The handle of the shown run: an attached one while there is one. */
	readonly handle: EngineHandle;
	/** Returns whether work of this process is running, whatever is shown. */
	readonly isWorking: () => boolean;
	readonly home: () => Home;
	readonly attached: () => Attached | undefined;
	readonly attach: (run: RunElsewhere) => Promise<void>;
	readonly detach: () => void;
	readonly files: FilesStore;
	readonly fleet: FleetStore;
	readonly glyphs: Glyphs;
	readonly info: ConsoleInfo;
	readonly now: () => number;
	readonly size: () => Size;
	readonly view: () => View;
	readonly set: (patch: Partial<View>) => void;
	readonly setJobs: (patch: Partial<JobsView>) => void;
	readonly setLogs: (patch: Partial<LogsView>) => void;
	readonly setFiles: (patch: Partial<FilesView>) => void;
	readonly setFleet: (patch: Partial<FleetView>) => void;
	readonly setServer: (patch: Partial<ServerScreenView>) => void;
	readonly ask: (dialog: Dialog | undefined) => void;
	/** Shows a message for a few seconds. */
	readonly say: (text: string, tone?: Tone) => void;
	/** Shows the error if `work` rejects. */
	readonly attempt: (work: Promise<unknown>) => void;
	/** Shows why something failed: in the message line, or in a panel if it is too long for that. */
	readonly fail: (reason: string) => void;
	/** Returns the secrets that the user has entered to open dumps; kept in memory only. */
	readonly secrets: () => Secrets | undefined;
	readonly remember: (secrets: Secrets) => void;
	readonly copy: (text: string) => void;
	readonly leave: (reason: LeaveReason) => void;
	/** Shows the plain log in the terminal until a key returns to the screen. */
	readonly stream: () => void;
	readonly redraw: () => void;
	/** Reads again what the Jobs screen shows before any work. */
	readonly reloadHome: () => void;
	/** Stops the whole program, like Ctrl-Z. */
	readonly suspend: () => void;
};

export type ConsoleParts = Pick<
	Console,
	| 'handle'
	| 'isWorking'
	| 'home'
	| 'attached'
	| 'attach'
	| 'detach'
	| 'files'
	| 'fleet'
	| 'glyphs'
	| 'info'
	| 'now'
	| 'size'
	| 'copy'
	| 'leave'
	| 'stream'
	| 'redraw'
	| 'reloadHome'
	| 'suspend'
> & {
	/** Called when the user has changed what is drawn: draws immediately. */
	readonly onChange: () => void;
};

const messageTime = 6000;

export function createConsole(parts: ConsoleParts): Console {
	let view = initialView;
	let secrets: Secrets | undefined;
	const set = (patch: Partial<View>) => {
		const waiting = waitingIn(view.dialog);
		view = {...view, ...patch};
		if (waiting !== waitingIn(view.dialog)) waiting?.abort();
		parts.onChange();
	};
	const say = (text: string, tone: Tone = 'warn') => set({message: {text, tone, until: parts.now() + messageTime}});
	const fail = (reason: string) => {
		const {columns} = parts.size();
		if (cellWidth(clean(reason, parts.glyphs)) + 2 <= columns) {
			if (waitingIn(view.dialog)) set({dialog: undefined});
			return say(reason, 'failed');
		}
		const lines = wrapWords(clean(reason, parts.glyphs), Math.max(10, columns - 8)).map(text => [
			{text, tone: 'failed'} as const,
		]);
		set({dialog: {kind: 'info', title: 'This did not work', lines, top: 0, copy: reason}});
	};
	return {
		...parts,
		view: () => view,
		set,
		setJobs: patch => set({jobs: {...view.jobs, ...patch}}),
		setLogs: patch => set({logs: {...view.logs, ...patch}}),
		setFiles: patch => set({files: {...view.files, ...patch}}),
		setFleet: patch => set({fleet: {...view.fleet, ...patch}}),
		setServer: patch => set({server: {...view.server, ...patch}}),
		ask: dialog => set({dialog}),
		say,
		attempt(work) {
			work.catch((error: unknown) => fail(messageOf(error)));
		},
		fail,
		secrets: () => secrets,
		remember: typed => (secrets = joinSecrets(secrets, typed)),
	};
}

function waitingIn(dialog: Dialog | undefined): Waiting | undefined {
	return dialog && 'waiting' in dialog ? dialog.waiting : undefined;
}

/** Returns true while a job runs or waits. */
export function isWorking(run: RunState): boolean {
	if (run.finished !== undefined) return false;
	const counts = countJobs(run);
	return (
		counts.running + counts.waiting > 0 || (run.startedAt > 0 && run.command !== 'console' && run.phase !== 'finished')
	);
}
