import {messageOf, PgBackError} from '../../core/errors.js';
import {type Fault, isPermanentError, networkFault, type StorageError, storageError} from '../errors.js';
import {httpOf} from '../http.js';
import {lazyStorage} from '../lazy-storage.js';
import {retrying} from '../retrying.js';
import type {OpenContext, Storage} from '../storage.js';

/**
 * Backblaze B2 through its S3 interface, to share the code for uploads, resuming and verification. The key determines
 * the endpoint.
 */
export type B2Settings = {
	readonly bucket: string;
	readonly keyId: string;
	readonly appKey: string;
	/** Parts of one file in flight (b2_concurrent_connections); 4. */
	readonly concurrency?: number;
	readonly partSize?: number;
	/** URL of the authorization API; Backblaze's own by default. */
	readonly authorizeUrl?: string;
};

const defaultAuthorizeUrl = 'https://api.backblazeb2.com';

/** The fields of b2_authorize_account that are used here; versions 2 and 3 of the API place them differently. */
type Account = {
	readonly s3ApiUrl?: unknown;
	readonly allowed?: {readonly bucketName?: unknown} | null;
	readonly apiInfo?: {readonly storageApi?: {readonly s3ApiUrl?: unknown; readonly bucketName?: unknown} | null} | null;
};

/** Throws CONFIG for missing settings, and for an address to which the key would be sent in clear text. */
export function checkB2Settings(settings: B2Settings): void {
	const {authorizeUrl = defaultAuthorizeUrl} = settings;
	if (!isProtected(authorizeUrl)) {
		throw new PgBackError(
			'CONFIG',
			'the address in B2_ENVIRONMENT is not https:// and would receive the key in clear text',
			{
				hint: 'write it as https://HOST, or unset it',
			},
		);
	}
	const missing = (['bucket', 'keyId', 'appKey'] as const).filter(name => !settings[name]);
	if (missing.length === 0) return;
	const names = {bucket: 'b2_bucket', keyId: 'b2_key_id', appKey: 'b2_app_key'};
	throw new PgBackError('CONFIG', `b2 needs ${missing.map(name => names[name]).join(', ')}`, {
		hint: 'set them in the configuration file',
	});
}

/** Returns true for https, and for this host. */
function isProtected(text: string): boolean {
	const url = URL.parse(text);
	return (
		url?.protocol === 'https:' || (url?.protocol === 'http:' && /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname))
	);
}

export function b2Location({bucket}: B2Settings): string {
	return `b2://${bucket}/`;
}

/**
 * Returns a store that opens at its first use, because an unresponsive service must not prevent a dump. Throws CONFIG.
 */
export async function openB2Later(settings: B2Settings, context: OpenContext): Promise<Storage> {
	checkB2Settings(settings);
	await httpOf(context); // throws CONFIG
	const facts = {
		...{kind: 'b2', location: b2Location(settings), isPermanent: isPermanentError},
		...{watchesIdle: true, listsRanges: true},
	};
	const during = (signal: AbortSignal): OpenContext => ({
		...context,
		signal,
		get retryBudget() {
			return context.retryBudget;
		},
	});
	return lazyStorage(facts, signal => openB2(settings, during(signal)));
}

/** Authorizes the key, with retries within the budget. */
export async function openB2(settings: B2Settings, context: OpenContext): Promise<Storage> {
	checkB2Settings(settings);
	const {bucket, keyId, appKey, concurrency, partSize} = settings;
	const location = b2Location(settings);
	const account = await retrying(() => authorize(settings, location, context), {
		signal: context.signal,
		isPermanent: isPermanentError,
		clock: context.clock,
		budget: context.retryBudget,
		onRetry: (error, delay) =>
			context.log('warn', `${messageOf(error)}: trying again in ${(delay / 1000).toFixed(1)} s`),
	});
	const endpoint = textIn(account.apiInfo?.storageApi?.s3ApiUrl) ?? textIn(account.s3ApiUrl);
	const only = textIn(account.apiInfo?.storageApi?.bucketName) ?? textIn(account.allowed?.bucketName);
	if (endpoint === undefined)
		throw storageError('server', {operation: 'connect to', location}, 'the response contains no S3 endpoint');
	if (only && only !== bucket) {
		throw storageError('forbidden', {operation: 'connect to', location}, `the key is restricted to the bucket ${only}`);
	}
	if (!isProtected(endpoint))
		throw storageError(
			'invalid',
			{operation: 'connect to', location},
			'the S3 endpoint in the response is not https://',
		);
	const {openS3} = await import('../s3/s3.js');
	const region = /^https?:\/\/s3\.([a-z0-9-]+)\./.exec(endpoint)?.[1] ?? 'us-east-1';
	return openS3(
		{
			kind: 'b2',
			bucket,
			region,
			endpoint,
			forcePath: true,
			keyId,
			secret: appKey,
			concurrency,
			partSize,
			deleteVersion: true,
		},
		context,
	);
}

type Where = {readonly operation: 'connect to'; readonly location: string};

async function authorize(settings: B2Settings, location: string, context: OpenContext): Promise<Account> {
	const where: Where = {operation: 'connect to', location};
	const http = await httpOf(context);
	const timeout = AbortSignal.timeout(context.idleTimeout ?? 60_000);
	let response: Response;
	let text: string;
	try {
		response = await http.fetch(
			new URL('/b2api/v3/b2_authorize_account', settings.authorizeUrl ?? defaultAuthorizeUrl),
			{
				headers: {authorization: `Basic ${Buffer.from(`${settings.keyId}:${settings.appKey}`).toString('base64')}`},
				signal: AbortSignal.any([context.signal, timeout]),
			},
		);
		text = await response.text();
	} catch (error) {
		context.signal.throwIfAborted();
		if (timeout.aborted) throw storageError('timeout', where, 'no response', {cause: error});
		const network = networkFault(error);
		throw storageError(
			network?.fault ?? 'network',
			where,
			network?.reason ?? messageOf((error as Error).cause ?? error),
			{cause: error, hint: network?.hint},
		);
	}
	const account = parsed(text);
	if (account === undefined) throw foreignAnswer(response, where);
	if (response.ok) return account;
	const {code, message} = account as {code?: unknown; message?: unknown};
	const fault = faultOf(response.status);
	const retryAfter = Number(response.headers.get('retry-after') ?? 0) * 1000;
	throw storageError(
		fault,
		where,
		[textIn(code), textIn(message), `HTTP status ${response.status}`].filter(Boolean).join(', '),
		{
			hint: fault === 'forbidden' ? 'check b2_key_id and b2_app_key' : undefined,
			...(retryAfter > 0 ? {retryAfter: Math.min(retryAfter, 3_600_000)} : {}),
		},
	);
}

function textIn(value: unknown): string | undefined {
	return typeof value === 'string' ? value : undefined;
}

function faultOf(status: number): Fault {
	if (status === 401 || status === 403) return 'forbidden';
	if (status === 429) return 'throttled';
	return status >= 500 ? 'server' : 'invalid';
}

/** Returns undefined for a text that is not a JSON object. */
function parsed(text: string): Account | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === 'object' && value !== null ? value : undefined;
	} catch {
		return undefined;
	}
}

/** Returns the error for a page of a proxy, a login or another server. */
function foreignAnswer({ok, status, headers}: Response, where: Where): StorageError {
	const type = (headers.get('content-type') ?? '').split(';')[0]?.trim() || 'no content type';
	const reason = `the server that answered is not Backblaze B2 (${type}${ok ? '' : `, HTTP status ${status}`})`;
	return storageError(ok ? 'server' : faultOf(status), where, reason, {
		hint: 'check B2_ENVIRONMENT and the network: a proxy or another server may have answered instead',
	});
}
