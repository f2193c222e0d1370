/** The address and credentials of a container, from the many forms in which users write them. */
import {AnonymousCredential, type ContainerClient, StorageSharedKeyCredential} from '@azure/storage-blob';
import {PgBackError} from '../../core/errors.js';
import type {OpenContext} from '../storage.js';

/** Undefined and '' both mean absent. */
export type AzureSettings = {
	readonly container: string;
	/** Default: AZURE_STORAGE_ACCOUNT. Without an account, `endpoint` is the whole URL. */
	readonly account?: string;
	/** Default: AZURE_STORAGE_KEY. */
	readonly key?: string;
	/**
	 * A host name (`blob.core.windows.net`), the URL of the account or of the container, with or without a SAS query, or a
	 * connection string.
	 */
	readonly endpoint?: string;
	/** Default: AZURE_STORAGE_SAS_TOKEN. */
	readonly sasToken?: string;
	/** Default: AZURE_STORAGE_CONNECTION_STRING, if no account and no URL is given. */
	readonly connectionString?: string;
	/** Bytes of the first blocks; 8 MiB by default. */
	readonly blockSize?: number;
};

export type AzurePlace = {
	/** URL of the container, with the SAS query if there is one: a secret. */
	readonly url: string;
	readonly credential: NonNullable<ContainerClient['credential']>;
	/** The location for people, without the query. */
	readonly location: string;
};

const defaultEndpoint = 'blob.core.windows.net';

export function resolveAzure(settings: AzureSettings, {env}: Pick<OpenContext, 'env'>): AzurePlace {
	const endpoint = settings.endpoint?.trim() ?? '';
	const isUrl = /^https?:\/\//i.test(endpoint);
	const account = settings.account || env['AZURE_STORAGE_ACCOUNT'] || '';
	const given = {...settings, account, endpoint, isUrl};
	const text = connectionStringOf(given, env);
	const access = text === '' ? separateAccess(given, env) : parseConnectionString(text);
	const {account: name, key} = access;
	const sas = access.sas.replace(/^\?/, '');
	const url = parseUrl(access.endpoint);
	const container = containerOf(url, settings.container);
	url.pathname = `${url.pathname.replace(/\/+$/, '')}/${encodeURIComponent(container)}`;
	if (sas !== '') url.search = sas;
	const signed = url.searchParams.has('sig');
	if (name !== '' && key === '' && !signed && !isUrl) {
		throw new PgBackError('CONFIG', `no key configured for the Azure account ${name}`, {
			hint: 'set azure_key, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN',
		});
	}
	const location = `azure://${name === '' ? url.host : name}/${container}/`;
	return {
		url: url.href,
		location,
		credential: name !== '' && key !== '' && !signed ? sharedKey(name, key) : new AnonymousCredential(),
	};
}

type Access = {
	readonly account: string;
	readonly key: string;
	readonly sas: string;
	readonly endpoint: string;
};

type Given = AzureSettings & {readonly account: string; readonly endpoint: string; readonly isUrl: boolean};

/** Returns '' when the parts are given separately. */
function connectionStringOf(given: Given, env: OpenContext['env']): string {
	if (given.connectionString) return given.connectionString;
	if (/(^|;)\s*(AccountName|BlobEndpoint|SharedAccessSignature)\s*=/i.test(given.endpoint)) return given.endpoint;
	return given.account === '' && !given.isUrl ? (env['AZURE_STORAGE_CONNECTION_STRING'] ?? '') : '';
}

function separateAccess({account, key, sasToken, endpoint, isUrl}: Given, env: OpenContext['env']): Access {
	return {
		account,
		key: key || env['AZURE_STORAGE_KEY'] || '',
		sas: sasToken || env['AZURE_STORAGE_SAS_TOKEN'] || '',
		endpoint: isUrl ? endpoint : accountUrl(account, endpoint),
	};
}

function accountUrl(account: string, endpoint: string): string {
	if (account === '') {
		throw new PgBackError('CONFIG', 'no Azure account configured, and azure_endpoint is not a URL', {
			hint: 'set azure_account and azure_key, or azure_endpoint to https://ACCOUNT.blob.core.windows.net/?SAS',
		});
	}
	return `https://${account}.${endpoint || defaultEndpoint}`;
}

function parseUrl(text: string): URL {
	try {
		return new URL(text);
	} catch {
		// The text may contain a signature, so it is not repeated.
		throw new PgBackError('CONFIG', 'azure_endpoint is not a valid URL', {
			hint: 'write it as https://ACCOUNT.blob.core.windows.net/',
		});
	}
}

/** A URL may already contain the container; the path is then returned without it. */
function containerOf(url: URL, container: string): string {
	const segments = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
	// The emulator, and addresses without a name, have the account as the first segment.
	const ofAccount = /^(localhost|[\d.]+|\[.*\])$/.test(url.hostname) ? 1 : 0;
	const named = segments[ofAccount];
	const wanted = container || named;
	if (wanted === undefined)
		throw new PgBackError('CONFIG', 'no Azure container configured', {hint: 'set azure_container'});
	if (named !== undefined && named !== wanted) {
		throw new PgBackError(
			'CONFIG',
			`azure_endpoint is the URL of the container ${named}, but azure_container is ${wanted}`,
			{hint: 'remove one of them'},
		);
	}
	url.pathname = `/${segments.slice(0, ofAccount).map(encodeURIComponent).join('/')}`;
	return wanted;
}

function sharedKey(account: string, key: string): StorageSharedKeyCredential {
	if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
		throw new PgBackError('CONFIG', 'the Azure key is not valid base64', {
			hint: 'copy azure_key as the portal shows it, including the = at the end',
		});
	}
	return new StorageSharedKeyCredential(account, key);
}

function parseConnectionString(text: string): Access {
	const values = new Map<string, string>();
	for (const part of text.split(';')) {
		const equals = part.indexOf('=');
		if (equals > 0) values.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
	}
	const of = (name: string) => values.get(name) ?? '';
	if (of('usedevelopmentstorage') === 'true') {
		throw new PgBackError('CONFIG', 'UseDevelopmentStorage is not supported', {
			hint: "write the emulator's BlobEndpoint, AccountName and AccountKey",
		});
	}
	const account = of('accountname');
	const endpoint =
		of('blobendpoint') ||
		`${of('defaultendpointsprotocol') || 'https'}://${account}.blob.${of('endpointsuffix') || 'core.windows.net'}`;
	if (account === '' && of('blobendpoint') === '') {
		throw new PgBackError('CONFIG', 'the Azure connection string has neither AccountName nor BlobEndpoint', {
			hint: 'copy it again from the portal',
		});
	}
	return {account, key: of('accountkey'), sas: of('sharedaccesssignature'), endpoint};
}
