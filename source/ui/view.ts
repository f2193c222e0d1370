/** The state of the view: everything on the screen that is not the engine's. Immutable. */
import type {KeptDraft} from '../core/restore-handle.js';
import type {Dialog} from './dialog.js';
import type {JobSort} from './layout/job-row.js';
import type {RestoreDraft} from './restore/draft.js';
import type {Tone} from './text.js';

/** The main screens, in the order of their tabs. */
export const screens = ['jobs', 'files', 'logs', 'fleet'] as const;
export type MainScreen = (typeof screens)[number];
/** `detail` is one job of Jobs, `server` one server of Fleet. */
export type Screen = MainScreen | 'detail' | 'server';

/** Returns the main screen that a screen belongs to, and that is left for it. */
export function mainScreenOf(screen: Screen): MainScreen {
	return screen === 'detail' ? 'jobs' : screen === 'server' ? 'fleet' : screen;
}

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
	/** Shows only the log. */
	readonly full: boolean;
};

export type FileSort = 'time' | 'name' | 'size';

/** The kinds of rows: dumps, including their checksum files; runs and their dumps; or stored names. */
export const fileLists = ['dumps', 'runs', 'names'] as const;
export type FileList = (typeof fileLists)[number];

/** A row: a dump, also one of an open run; a run; or a name. All are numbers of the file table. */
export type FileCursor = {readonly run?: number; readonly dump?: number; readonly file?: number};

export type FilesView = {
	/** Index into the store's locations. */
	readonly location: number;
	readonly list: FileList;
	readonly cursor?: FileCursor;
	readonly top: number;
	readonly filter: string;
	readonly sort: FileSort;
	readonly reverse: boolean;
	/** Runs. */
	readonly open: ReadonlySet<number>;
	/** Dumps; in the list of names, names. */
	readonly marked: ReadonlySet<number>;
};

/** `state`: the worst first. */
export type FleetSort = 'state' | 'name' | 'age' | 'size' | 'proven';

export type FleetView = {
	/** The server under the cursor; the first one until the cursor has been moved. */
	readonly selected?: string | undefined;
	readonly top: number;
	readonly filter: string;
	readonly sort: FleetSort;
	readonly reverse: boolean;
};

export type ServerScreenView = {
	readonly server: string;
	/** The database under the cursor; the first one until the cursor has been moved. */
	readonly selected?: string | undefined;
	readonly top: number;
	readonly filter: string;
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
	readonly fleet: FleetView;
	readonly server: ServerScreenView;
	readonly dialog?: Dialog;
	/** Unfinished drafts of restores, by their source: they survive Esc. */
	readonly drafts: ReadonlyMap<string, RestoreDraft>;
	/** Drafts of a console whose terminal was lost, by their source. */
	readonly kept: ReadonlyMap<string, KeptDraft>;
	/** The filter of this screen is being typed; the value is the previous filter. */
	readonly editing?: {readonly before: string};
	readonly message?: Message;
};

/** Returns the filter of the current screen. */
export function filteredBy(view: Omit<View, 'drafts' | 'kept'>): string {
	return view.screen === 'detail' ? '' : view[view.screen].filter;
}

export const initialView: View = {
	screen: 'jobs',
	drafts: new Map(),
	kept: new Map(),
	jobs: {top: 0, filter: '', sort: 'state', reverse: false},
	detail: {job: '', top: 0},
	logs: {top: 0, filter: '', wrap: false, times: true, full: false},
	files: {
		location: 0,
		list: 'dumps',
		top: 0,
		filter: '',
		sort: 'time',
		reverse: false,
		open: new Set(),
		marked: new Set(),
	},
	fleet: {top: 0, filter: '', sort: 'state', reverse: false},
	server: {server: '', top: 0, filter: ''},
};
