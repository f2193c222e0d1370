/** A local directory, such as a mounted disk: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {defineStore, type Outside} from '../definition.js';
import type {LocalSettings} from './local.js';

const options = {
	localDirectory: {
		long: 'local-directory',
		key: 'local_directory',
		kind: 'string',
		value: 'DIR',
		default: '',
		group: 'Remote storage',
		help: 'directory of the store "local", such as a mounted disk',
	},
} as const satisfies OptionTable;

export const local = defineStore({
	name: 'local',
	title: 'Remote storage',
	options,
	isConfigured: settings => settings.localDirectory !== '',
	problems: settings => (settings.localDirectory === '' ? ['needs local_directory'] : []),
	location: settings => `${settings.localDirectory.replace(/\/+$/, '')}/`,
	open: async (settings, outside, context) =>
		(await import('./local.js')).openLocalLater(storeSettings(settings, outside), context),
});

function storeSettings(settings: ValuesOf<typeof options>, {fileMode}: Outside): LocalSettings {
	return {directory: settings.localDirectory, mode: fileMode};
}
