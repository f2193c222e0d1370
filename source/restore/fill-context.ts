import type {RestoreProgress} from '../progress/restore-progress.js';
import type {Manifest} from '../repository/manifest.js';
import type {RunIdentity, ServerContext, StoreContext} from '../runs/context.js';
import type {DumpText, TextRows} from '../stages/dump-text.js';
import type {DumpSource} from './dump-bytes.js';
import type {RestoreOptions} from './restore-options.js';
import type {RestoreTarget} from './restore-target.js';

export type FillContext = {
	readonly run: StoreContext & ServerContext & RunIdentity;
	readonly target: RestoreTarget;
	readonly source: DumpSource;
	readonly manifest: Manifest | undefined;
	readonly options: RestoreOptions;
	/** Private directory for downloaded dumps and lists. */
	readonly directory: string;
	readonly progress: RestoreProgress;
	/** The database is dropped at the end, and all errors of its restore are reported. */
	readonly isDrill?: boolean;
};

export type Filled = {
	/** The path at which the archive can be read again. */
	readonly archive: string | undefined;
	/** The planner's statistics were restored too. */
	readonly hasStatistics: boolean;
	/** Of a plain dump. */
	readonly text?: DumpText;
	/** The rows of an archive, if they were counted while it was loaded. */
	readonly rows?: readonly TextRows[] | undefined;
};
