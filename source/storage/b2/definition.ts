/** Backblaze B2: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {defineStore, type Outside} from '../definition.js';
import type {B2Settings} from './b2.js';

const group = {group: 'Backblaze B2'} as const;
const text = {kind: 'string', default: ''} as const;

const options = {
	b2Bucket: {...text, ...group, long: 'b2-bucket', key: 'b2_bucket', help: 'bucket'},
	b2KeyId: {...text, ...group, long: 'b2-key-id', key: 'b2_key_id', help: 'application key id'},
	b2AppKey: {...text, ...group, secret: true, long: 'b2-app-key', key: 'b2_app_key', help: 'application key'},
	b2ForcePath: {
		...group,
		kind: 'yesNo',
		default: false,
		long: 'b2-force-path',
		key: 'b2_force_path',
		help: 'no effect, accepted for old configuration files: the B2 API has only one form of address',
	},
	b2ConcurrentConnections: {
		...group,
		kind: 'integer',
		minimum: 1,
		default: 5,
		value: 'N',
		long: 'b2-concurrent-connections',
		key: 'b2_concurrent_connections',
		help: 'number of parts of one file transferred at the same time',
	},
} as const satisfies OptionTable;

export const b2 = defineStore({
	name: 'b2',
	title: group.group,
	options,
	isConfigured: settings => settings.b2Bucket !== '',
	problems: (settings, env) => [
		...(settings.b2Bucket === '' ? ['needs b2_bucket'] : []),
		...(settings.b2KeyId || env['B2_APPLICATION_KEY_ID'] ? [] : ['needs b2_key_id']),
		...(settings.b2AppKey || env['B2_APPLICATION_KEY'] ? [] : ['needs b2_app_key']),
	],
	location: settings => `b2://${settings.b2Bucket}/`,
	secretVariables: /^B2_/,
	open: async (settings, outside, context) =>
		(await import('./b2.js')).openB2Later(storeSettings(settings, outside), context),
});

function storeSettings(settings: ValuesOf<typeof options>, {env}: Outside): B2Settings {
	return {
		bucket: settings.b2Bucket,
		// The environment variables of the service's own command line tool.
		keyId: settings.b2KeyId || env['B2_APPLICATION_KEY_ID'] || '',
		appKey: settings.b2AppKey || env['B2_APPLICATION_KEY'] || '',
		concurrency: settings.b2ConcurrentConnections,
		...(/^https?:/.test(env['B2_ENVIRONMENT'] ?? '') && {authorizeUrl: env['B2_ENVIRONMENT']}),
	};
}
