import {S3Client} from '@aws-sdk/client-s3';
import {messageOf, PgBackError} from '../../core/errors.js';
import {StorageError} from '../errors.js';
import {requestRetrier} from '../retrying.js';
import type {OpenContext} from '../storage.js';
import {describeS3Error, type Where} from './errors.js';
import {PartMemory} from './part-memory.js';
import type {S3Settings} from './settings.js';

/** Besides one of each upload: 64 MiB of the usual size. */
const partsAtOnce = 8;

type RequestOptions = {readonly abortSignal: AbortSignal};

/** One bucket, and how to talk to it. */
export type Bucket = {
	readonly name: string;
	/** `s3://bucket/`. */
	readonly location: string;
	readonly settings: S3Settings;
	/** Over https the payload need not be signed: TLS and the checksum of each part protect it. */
	readonly secure: boolean;
	/** What this service understands; narrowed when it refuses something. */
	readonly service: {checksums: 'crc32' | 'md5'; conditions: boolean};
	/**
	 * Runs one request until it succeeds, fails for good, or the budget is spent. Expired credentials are fetched anew once, and a
	 * wrong clock is corrected once, without a wait.
	 */
	readonly request: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (client: S3Client, options: RequestOptions) => Promise<T>,
	) => Promise<T>;
	/** Of the parts of all uploads. */
	readonly memory: PartMemory;
	readonly log: OpenContext['log'];
	readonly close: () => void;
};

export async function openBucket(settings: S3Settings, context: OpenContext): Promise<Bucket> {
	if (!settings.bucket) throw new PgBackError('CONFIG', 'no bucket is given', {hint: 'set s3_bucket'});
	const client = createClient(settings, await findRegion(settings), context);
	const location = `${settings.kind ?? 's3'}://${settings.bucket}/`;
	const bucket: Bucket = {
		name: settings.bucket,
		location,
		settings,
		secure: !/^http:/i.test(endpointOf(settings) ?? ''),
		service: {checksums: 'crc32', conditions: true},
		memory: new PartMemory(partsAtOnce),
		log: context.log,
		async request(place, signal, run) {
			const where: Where = {...place, location};
			const cured = new Set<string>();
			const retrier = requestRetrier(context, signal, isFinal);
			for (;;) {
				try {
					signal.throwIfAborted();
					return await run(client, {abortSignal: signal});
				} catch (raw) {
					signal.throwIfAborted();
					const error = describeS3Error(raw, where);
					if (!(await cure(error, cured, client, context))) await retrier.failed(error);
				}
			}
		},
		close: () => client.destroy(),
	};
	return bucket;
}

function isFinal(error: unknown): boolean {
	if (!(error instanceof StorageError)) return true;
	return (
		error.exhausted ||
		['missing', 'forbidden', 'exists', 'invalid', 'full', 'unsupported', 'expired', 'skew'].includes(error.fault)
	);
}

/** True when the cause is mended and the request may go out again at once; each cause once a request. */
async function cure(error: unknown, cured: Set<string>, client: S3Client, context: OpenContext): Promise<boolean> {
	if (!(error instanceof StorageError) || cured.has(error.fault)) return false;
	if (error.fault !== 'expired' && error.fault !== 'skew') return false;
	cured.add(error.fault);
	if (error.fault === 'skew') {
		// The SDK has taken the server's time from the refusal and signs with it from now on.
		context.log('warn', `${error.message}: going on with the server's time`);
		return true;
	}
	const fetch = client.config.credentials as (options: {forceRefresh: boolean}) => Promise<unknown>;
	try {
		await fetch({forceRefresh: true});
	} catch (cause) {
		context.log('warn', `the credentials have expired and cannot be fetched anew: ${messageOf(cause)}`);
		return false;
	}
	context.log('info', 'the credentials had expired and were fetched anew');
	return true;
}

/** The endpoint with a scheme, or undefined for the service's own. */
function endpointOf({endpoint, tls}: S3Settings): string | undefined {
	if (!endpoint) return undefined;
	return /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `${tls === false ? 'http' : 'https'}://${endpoint}`;
}

function createClient(settings: S3Settings, region: string, context: OpenContext): S3Client {
	const {profile, keyId, secret = '', sessionToken} = settings;
	const endpoint = endpointOf(settings);
	const idle = context.idleTimeout ?? 60_000;
	const sockets = {keepAlive: true, maxSockets: 64};
	const quiet = () => undefined;
	const config = {
		region,
		...(profile ? {profile} : {}),
		...(endpoint ? {endpoint} : {}),
		...(keyId
			? {credentials: {accessKeyId: keyId, secretAccessKey: secret, ...(sessionToken ? {sessionToken} : {})}}
			: {}),
		forcePathStyle: settings.forcePath ?? false,
		// Retries, checksums and their comparison are ours: bounded by a budget, and known on both sides.
		maxAttempts: 1,
		requestChecksumCalculation: 'WHEN_REQUIRED' as const,
		responseChecksumValidation: 'WHEN_SUPPORTED' as const,
		expectContinueHeader: false,
		// Read the shared files again when credentials are fetched anew.
		ignoreCache: true,
		requestHandler: {
			connectionTimeout: Math.min(30_000, idle),
			socketTimeout: idle,
			httpAgent: sockets,
			httpsAgent: sockets,
		},
		logger: {
			trace: quiet,
			debug: quiet,
			info: quiet,
			warn: (text: unknown) => context.log('warn', messageOf(text)),
			error: quiet,
		},
	};
	return new S3Client(config);
}

/** The region that was set, or the SDK's own finding (environment, profile); with an endpoint of one's own any name does. */
async function findRegion(settings: S3Settings): Promise<string> {
	if (settings.region) return settings.region;
	const probe = new S3Client(settings.profile ? {profile: settings.profile} : {});
	try {
		return await probe.config.region();
	} catch (cause) {
		if (settings.endpoint) return 'us-east-1';
		throw new PgBackError('CONFIG', `no region for s3 is known: ${messageOf(cause)}`, {
			cause,
			hint: 'set s3_region, AWS_REGION, or the region of the profile',
		});
	} finally {
		probe.destroy();
	}
}
