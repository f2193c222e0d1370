/** Azure Blob Storage: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {defineStore, optional} from '../definition.js';
import type {AzureSettings} from './settings.js';

const group = {group: 'Azure'} as const;
const text = {kind: 'string', default: ''} as const;

const options = {
	azureContainer: {...text, ...group, long: 'azure-container', key: 'azure_container', help: 'container'},
	azureAccount: {
		...text,
		...group,
		environment: 'AZURE_STORAGE_ACCOUNT',
		long: 'azure-account',
		key: 'azure_account',
		help: 'storage account; empty: the endpoint is the full URL with its SAS',
	},
	azureKey: {
		...text,
		...group,
		secret: true,
		environment: 'AZURE_STORAGE_KEY',
		long: 'azure-key',
		key: 'azure_key',
		help: 'account key',
	},
	azureEndpoint: {
		...group,
		secret: 'partly', // may end in a SAS
		kind: 'string',
		default: 'blob.core.windows.net',
		long: 'azure-endpoint',
		key: 'azure_endpoint',
		help: 'endpoint to which the account is prepended, or a full URL',
	},
	azureSas: {
		...text,
		...group,
		secret: true,
		long: 'azure-sas',
		key: 'azure_sas',
		help: 'shared access signature',
	},
	azureConnectionString: {
		...text,
		...group,
		secret: true,
		long: 'azure-connection-string',
		key: 'azure_connection_string',
		help: 'connection string of the storage account',
	},
} as const satisfies OptionTable;

export const azure = defineStore({
	name: 'azure',
	title: group.group,
	options,
	isConfigured: settings => settings.azureContainer !== '',
	problems: (settings, env) => [
		...(settings.azureContainer === '' ? ['needs azure_container'] : []),
		...(settings.azureConnectionString !== '' ||
		Boolean(env['AZURE_STORAGE_CONNECTION_STRING']) ||
		settings.azureAccount !== '' ||
		/^https?:\/\//i.test(settings.azureEndpoint)
			? []
			: ['needs azure_account, or a whole URL in azure_endpoint']),
	],
	location: settings =>
		`azure://${settings.azureAccount === '' ? '' : `${settings.azureAccount}/`}${settings.azureContainer}/`,
	secretVariables: /^AZURE_/,
	open: async (settings, _outside, context) => (await import('./azure.js')).openAzure(storeSettings(settings), context),
});

function storeSettings(settings: ValuesOf<typeof options>): AzureSettings {
	return {
		container: settings.azureContainer,
		account: optional(settings.azureAccount),
		key: optional(settings.azureKey),
		endpoint: optional(settings.azureEndpoint),
		sasToken: optional(settings.azureSas),
		connectionString: optional(settings.azureConnectionString),
	};
}
