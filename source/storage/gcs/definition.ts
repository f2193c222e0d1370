/** Google Cloud Storage: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {defineStore, optional} from '../definition.js';
import type {GcsSettings} from './client.js';

const group = {group: 'Google Cloud Storage'} as const;
const text = {kind: 'string', default: ''} as const;

const options = {
	gcsBucket: {...text, ...group, long: 'gcs-bucket', key: 'gcs_bucket', help: 'bucket'},
	gcsEndpoint: {
		...text,
		...group,
		long: 'gcs-endpoint',
		key: 'gcs_endpoint',
		help: 'endpoint instead of the default one',
	},
	gcsKeyfile: {
		...text,
		...group,
		long: 'gcs-keyfile',
		key: 'gcs_keyfile',
		help: 'credentials file; empty: found as by the Google tools',
	},
} as const satisfies OptionTable;

export const gcs = defineStore({
	name: 'gcs',
	title: group.group,
	options,
	isConfigured: settings => settings.gcsBucket !== '',
	problems: settings => (settings.gcsBucket === '' ? ['needs gcs_bucket'] : []),
	location: settings => `gcs://${settings.gcsBucket}/`,
	secretVariables: /^(?:GCLOUD_|GOOGLE_)/,
	open: async (settings, _outside, context) => (await import('./gcs.js')).openGcs(storeSettings(settings), context),
});

function storeSettings(settings: ValuesOf<typeof options>): GcsSettings {
	return {
		bucket: settings.gcsBucket,
		keyfile: optional(settings.gcsKeyfile),
		endpoint: optional(settings.gcsEndpoint),
	};
}
