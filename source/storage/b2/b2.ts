import {messageOf, PgBackError} from '../../core/errors.js';
import {isPermanentError, networkFault, storageError} from '../errors.js';
import {retrying} from '../retrying.js';
import type {OpenContext, Storage} from '../storage.js';

/** Backblaze B2 by its S3 interface: one implementation of uploads, resuming and verifying. The key itself says where that is. */
export type B2Settings = {
	readonly bucket: string;
	readonly keyId: string;
	readonly appKey: string;
	/** Parts of one file on their way at once (b2_concurrent_connections); 4. */
	readonly concurrency?: number;
	readonly partSize?: number;
	/** Where keys are authorised; Backblaze's own by default. */
	readonly authorizeUrl?: string;
};

const defaultAuthorizeUrl = 'https://api.backblazeb2.com';

/** What b2_authorize_account says, as far as it is of use here; versions 2 and 3 of the interface differ in its place. */
type Account = {
	readonly s3ApiUrl?: string;
	readonly allowed?: {readonly bucketName?: string | null};
	readonly apiInfo?: {readonly storageApi?: {readonly s3ApiUrl?: string; readonly bucketName?: string | null}};
};

/** Throws CONFIG for settings that are missing. */
export function checkB2Settings(settings: B2Settings): void {
	const missing = (['bucket', 'keyId', 'appKey'] as const).filter(name => !settings[name]);
	if (missing.length === 0) return;
	const names = {bucket: 'b2_bucket', keyId: 'b2_key_id', appKey: 'b2_app_key'};
	throw new PgBackError('CONFIG', `b2 needs ${missing.map(name => names[name]).join(', ')}`, {
		hint: 'set them in the configuration file',
	});
}

export function b2Location({bucket}: B2Settings): string {
	return `b2://${bucket}/`;
}

/** Authorises the key, and tries that again for as long as the budget lasts. */
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
	const endpoint = account.apiInfo?.storageApi?.s3ApiUrl ?? account.s3ApiUrl;
	const only = account.apiInfo?.storageApi?.bucketName ?? account.allowed?.bucketName;
	if (endpoint === undefined)
		throw storageError('server', {operation: 'connect to', location}, 'the answer names no S3 endpoint');
	if (only && only !== bucket) {
		throw storageError('forbidden', {operation: 'connect to', location}, `the key is only for the bucket ${only}`);
	}
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

async function authorize(settings: B2Settings, location: string, context: OpenContext): Promise<Account> {
	const where = {operation: 'connect to', location} as const;
	const timeout = AbortSignal.timeout(context.idleTimeout ?? 60_000);
	let response: Response;
	let text: string;
	try {
		response = await fetch(new URL('/b2api/v3/b2_authorize_account', settings.authorizeUrl ?? defaultAuthorizeUrl), {
			headers: {authorization: `Basic ${Buffer.from(`${settings.keyId}:${settings.appKey}`).toString('base64')}`},
			signal: AbortSignal.any([context.signal, timeout]),
		});
		text = await response.text();
	} catch (error) {
		context.signal.throwIfAborted();
		if (timeout.aborted) throw storageError('timeout', where, 'nothing was heard', {cause: error});
		const network = networkFault(error);
		throw storageError(
			network?.fault ?? 'network',
			where,
			network?.reason ?? messageOf((error as Error).cause ?? error),
			{
				cause: error,
			},
		);
	}
	if (response.ok) return parsed(text, where);
	const {code = '', message = ''} = parsed(text, where) as {code?: string; message?: string};
	const fault =
		response.status === 401 || response.status === 403
			? 'forbidden'
			: response.status === 429
				? 'throttled'
				: response.status >= 500
					? 'server'
					: 'invalid';
	const retryAfter = Number(response.headers.get('retry-after') ?? 0) * 1000;
	throw storageError(fault, where, [code, message, `HTTP status ${response.status}`].filter(Boolean).join(', '), {
		hint: fault === 'forbidden' ? 'check b2_key_id and b2_app_key' : undefined,
		...(retryAfter > 0 ? {retryAfter: Math.min(retryAfter, 3_600_000)} : {}),
	});
}

function parsed(text: string, where: {readonly operation: 'connect to'; readonly location: string}): Account {
	try {
		const value: unknown = JSON.parse(text);
		if (typeof value === 'object' && value !== null) return value;
	} catch (cause) {
		throw storageError('server', where, 'the answer is not JSON', {cause});
	}
	throw storageError('server', where, 'the answer is no JSON object');
}
