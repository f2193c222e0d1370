import type {OptionTable} from '../../core/option.js';

const group = 'Look into dumps and runs';

/** Options for inspecting dumps, comparing runs, and pinning them. */
export const runs = {
	diff: {
		long: 'diff',
		kind: 'string',
		value: 'RUN',
		default: '',
		group,
		help: 'compare two runs (--diff RUN RUN [@STORE]): databases, tables by rows and bytes, schema; exits with 1 when they differ or could not be compared completely',
	},
	findTable: {
		long: 'find-table',
		kind: 'string',
		value: 'PATTERN',
		default: '',
		group,
		help: 'list the dumps that contain matching tables, newest first, with their recorded row counts: in the backup directory, or at the given location (s3)',
	},
	pin: {
		long: 'pin',
		kind: 'string',
		value: 'RUN',
		default: '',
		group,
		help: 'keep this run: no purge removes it until --unpin, in the backup directory and at the remote location of upload, or only at a place (RUN@s3)',
	},
	unpin: {
		long: 'unpin',
		kind: 'string',
		value: 'RUN',
		default: '',
		group,
		help: 'let this run be purged again',
	},
	reason: {
		long: 'reason',
		kind: 'string',
		value: 'TEXT',
		default: '',
		group,
		help: 'with --pin: the reason, which is shown with the run',
	},
} as const satisfies OptionTable;
