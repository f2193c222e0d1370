import {type OptionTable} from './option.js';

/** Remote stores by name. */
export const stores = ['b2', 's3', 'sftp', 'gcs', 'azure', 'local'] as const;
export type Store = (typeof stores)[number];

const storeChoice = {
	kind: 'choice',
	choices: ['none', ...stores],
	anyCase: true,
	value: 'STORE',
	default: 'none',
} as const;

export const remote = {
	upload: {
		...storeChoice,
		long: 'upload',
		key: 'upload',
		group: 'Remote storage',
		help: 'ship the files to a remote location: s3, b2, sftp, gcs, azure, local',
	},
	uploadPrefix: {
		long: 'upload-prefix',
		key: 'upload_prefix',
		kind: 'string',
		value: 'PREFIX',
		default: '',
		group: 'Remote storage',
		help: 'put in front of the remote names',
	},
	deleteUploaded: {
		long: 'delete-uploaded',
		key: 'delete_uploaded',
		kind: 'yesNo',
		default: false,
		group: 'Remote storage',
		help: 'remove a local file once its remote copy is verified',
	},
	uploadJobs: {
		long: 'upload-jobs',
		key: 'upload_jobs',
		kind: 'integer',
		minimum: 1,
		default: 2,
		group: 'Remote storage',
		help: 'how many files are uploaded or downloaded at the same time',
	},
	bandwidthLimit: {
		long: 'bandwidth-limit',
		key: 'bandwidth_limit',
		kind: 'bytes',
		value: 'BYTES',
		minimum: 0,
		default: 0,
		group: 'Remote storage',
		help: 'bytes a second, all transfers together, such as 10M; 0: no limit',
	},
	remoteTimeout: {
		long: 'remote-timeout',
		key: 'remote_timeout',
		kind: 'seconds',
		value: 'SECONDS',
		minimum: 1,
		default: 60,
		group: 'Remote storage',
		help: 'a transfer of which nothing is heard for so long is begun anew',
	},
	remoteRetry: {
		long: 'remote-retry',
		key: 'remote_retry',
		kind: 'seconds',
		value: 'SECONDS',
		minimum: 0,
		default: 900,
		group: 'Remote storage',
		help: 'how long trouble with a remote location may last before it is an error',
	},
	resumeUploads: {
		long: 'resume-uploads',
		kind: 'boolean',
		default: false,
		group: 'Remote storage',
		help: 'finish the uploads that an earlier run left, and do nothing else',
	},
	cleanupRemote: {
		...storeChoice,
		long: 'cleanup-remote',
		group: 'Remote storage',
		help: 'abort unfinished uploads at a remote location that nobody will finish',
	},
	localDirectory: {
		long: 'local-directory',
		key: 'local_directory',
		kind: 'string',
		value: 'DIR',
		default: '',
		group: 'Remote storage',
		help: 'directory of the store "local", such as a mounted disk',
	},
	download: {
		...storeChoice,
		long: 'download',
		group: 'Decrypt, list and download',
		help: 'download the files that match the patterns from a remote location',
	},
	listRemote: {
		...storeChoice,
		long: 'list-remote',
		group: 'Decrypt, list and download',
		help: 'list the files at a remote location that match the patterns',
	},
	long: {
		long: 'long',
		kind: 'boolean',
		default: false,
		group: 'Decrypt, list and download',
		help: 'list with size, time and state',
	},
	json: {
		long: 'json',
		kind: 'boolean',
		default: false,
		group: 'Decrypt, list and download',
		help: 'list as JSON, one object a line',
	},
} as const satisfies OptionTable;
