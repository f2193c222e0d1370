/** What the person has chosen to look at: everything on the screen that is not the engine's. Immutable. */
import type {Dialog} from './dialog.js';
import type {JobSort} from './layout/job-row.js';
import type {Tone} from './text.js';

export const screens = ['jobs', 'files', 'logs'] as const;
export type Screen = (typeof screens)[number] | 'detail';

export type JobsView = {
	/** The job under the cursor; the first one until the cursor has been moved. */
	readonly selected?: string;
	readonly top: number;
	readonly filter: string;
	readonly sort: JobSort;
	readonly reverse: boolean;
};

export type LogsView = {
	/** The `index` of the line under the cursor; undefined while it follows the end. */
	readonly cursor?: number;
	/** The first visible row. */
	readonly top: number;
	readonly filter: string;
	readonly wrap: boolean;
	readonly times: boolean;
	/** Nothing but the log. */
	readonly full: boolean;
};

export type FileSort = 'time' | 'name' | 'size';

/** A run's row, or a file's inside it; both are indexes into the file table. */
export type FileCursor = {readonly run: number; readonly file?: number};

export type FilesView = {
	/** Index into the handle's locations. */
	readonly location: number;
	/** Names in runs, or plain names. */
	readonly grouped: boolean;
	readonly cursor?: FileCursor;
	readonly top: number;
	readonly filter: string;
	readonly sort: FileSort;
	readonly reverse: boolean;
	readonly open: ReadonlySet<number>;
	readonly marked: ReadonlySet<number>;
};

export type Message = {
	readonly text: string;
	readonly tone: Tone;
	/** Milliseconds since the epoch. */
	readonly until: number;
};

export type View = {
	readonly screen: Screen;
	readonly jobs: JobsView;
	readonly detail: {readonly job: string; readonly top: number};
	readonly logs: LogsView;
	readonly files: FilesView;
	readonly dialog?: Dialog;
	/** The filter of this screen is being typed; the value is what it was before. */
	readonly editing?: {readonly before: string};
	readonly message?: Message;
};

export const initialView: View = {
	screen: 'jobs',
	jobs: {top: 0, filter: '', sort: 'state', reverse: false},
	detail: {job: '', top: 0},
	logs: {top: 0, filter: '', wrap: false, times: true, full: false},
	files: {
		location: 0,
		grouped: true,
		top: 0,
		filter: '',
		sort: 'time',
		reverse: false,
		open: new Set(),
		marked: new Set(),
	},
};
