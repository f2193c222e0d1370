import {S3Client} from '@aws-sdk/client-s3';
import {messageOf, PgBackError} from '../../core/errors.js';
import type {HttpClients} from '../../lib/http/http.js';
import {StorageError} from '../errors.js';
import {httpOf} from '../http.js';
import {requestRetrier} from '../retrying.js';
import {silenceLibraries} from '../silence-libraries.js';
import type {OpenContext} from '../storage.js';
import {checkSettings} from './check-settings.js';
import {limitedProvider} from './credentials.js';
import {type DialectMemory, dialectOf} from './dialect.js';
import {describeS3Error, type Where} from './errors.js';
import {PartMemory} from './part-memory.js';
import {checkAnswers, ForeignAnswer} from './responses.js';
import type {S3Settings} from './settings.js';

/** Shared parts in addition to one for each upload: 64 MiB of the usual size. */
const partsAtOnce = 8;

type RequestOptions = {readonly abortSignal: AbortSignal};

/** One bucket, and functions to send requests to it. */
export type Bucket = {
	readonly name: string;
	/** `s3://bucket/`. */
	readonly location: string;
	readonly settings: S3Settings;
	/** True for https, where the payload need not be signed: TLS and the checksum of each part protect it. */
	readonly secure: boolean;
	/** The features that this service supports; reduced when it rejects one. */
	readonly dialect: DialectMemory;
	/**
	 * Runs one request until it succeeds, fails permanently, or the budget is used up. Expired credentials are fetched
	 * again once, and a wrong clock is corrected once, without a wait.
	 */
	readonly request: <T>(
		where: Pick<Where, 'operation' | 'key'>,
		signal: AbortSignal,
		run: (client: S3Client, options: RequestOptions) => Promise<T>,
	) => Promise<T>;
	/** Memory for the parts of all uploads. */
	readonly memory: PartMemory;
	readonly log: OpenContext['log'];
	readonly clock: OpenContext['clock'];
	readonly close: () => void;
};

export async function openBucket(settings: S3Settings, context: OpenContext): Promise<Bucket> {
	const {region, checksums} = await sdkSettings(settings);
	checkSettings(settings, {region, endpoint: endpointOf(settings)});
	const client = createClient(settings, region, context, await httpOf(context));
	let spokeS3 = false;
	checkAnswers(client, () => (spokeS3 = true));
	const location = `${settings.kind ?? 's3'}://${settings.bucket}/`;
	const bucket: Bucket = {
		name: settings.bucket,
		location,
		settings,
		secure: !/^http:/i.test(endpointOf(settings) ?? ''),
		dialect: dialectOf(`${endpointOf(settings) ?? region}/${settings.bucket}`, settings.checksum ?? 'auto', checksums),
		memory: new PartMemory(partsAtOnce),
		log: context.log,
		clock: context.clock,
		async request(place, signal, run) {
			const where: Where = {...place, location, region};
			let foreign = 0;
			const fixed = new Set<string>();
			const retrier = requestRetrier(context, signal, isFinal);
			for (;;) {
				try {
					signal.throwIfAborted();
					return await run(client, {abortSignal: signal});
				} catch (raw) {
					signal.throwIfAborted();
					const error = describeS3Error(raw, where);
					// Before any response of S3 this is probably a wrong endpoint, and a long wait does not help.
					if (raw instanceof ForeignAnswer && !spokeS3 && ++foreign === MAX_FOREIGN_RESPONSES) throw finalError(error);
					if (!(await fixCause(error, fixed, client, context))) await retrier.failed(error);
				}
			}
		},
		close: () => client.destroy(),
	};
	return bucket;
}

/** Attempts at an endpoint that has always responded in another protocol. */
const MAX_FOREIGN_RESPONSES = 3;

function finalError(error: unknown): unknown {
	if (!(error instanceof StorageError)) return error;
	const {fault, message, hint} = error;
	const text = `${message} (gave up after ${MAX_FOREIGN_RESPONSES} attempts)`;
	return new StorageError(fault, text, {hint, cause: error.cause, exhausted: true});
}

function isFinal(error: unknown): boolean {
	if (!(error instanceof StorageError)) return true;
	return (
		error.exhausted ||
		['missing', 'forbidden', 'exists', 'invalid', 'full', 'unsupported', 'expired', 'skew'].includes(error.fault)
	);
}

/**
 * Fixes the cause of an error. Returns true when the request may be sent again immediately; each cause is fixed once
 * per request.
 */
async function fixCause(error: unknown, fixed: Set<string>, client: S3Client, context: OpenContext): Promise<boolean> {
	if (!(error instanceof StorageError) || fixed.has(error.fault)) return false;
	if (error.fault !== 'expired' && error.fault !== 'skew') return false;
	fixed.add(error.fault);
	if (error.fault === 'skew') {
		// The SDK has read the server's time from the error response and now signs with it.
		context.log('warn', `${error.message}: continuing with the server's time`);
		return true;
	}
	const fetch = client.config.credentials as (options: {forceRefresh: boolean}) => Promise<unknown>;
	try {
		await fetch({forceRefresh: true});
	} catch (cause) {
		context.log('warn', `the credentials have expired and cannot be renewed: ${messageOf(cause)}`);
		return false;
	}
	context.log('info', 'the credentials expired and were renewed');
	return true;
}

/** Returns the endpoint with a scheme, or undefined for the service's default. */
function endpointOf({endpoint, tls}: S3Settings): string | undefined {
	if (!endpoint) return undefined;
	return /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `${tls === false ? 'http' : 'https'}://${endpoint}`;
}

function createClient(settings: S3Settings, region: string, context: OpenContext, http: HttpClients): S3Client {
	const {profile, keyId, secret = '', sessionToken} = settings;
	const endpoint = endpointOf(settings);
	const idle = context.idleTimeout ?? 60_000;
	const {httpAgent, httpsAgent} = http;
	const requestHandler = {socketTimeout: idle, httpAgent, httpsAgent};
	// The SDK calls the credential service of a container through a handler of its own, which accepts no agent.
	if (/^https:/i.test(context.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '')) http.trustInLibraries();
	silenceLibraries();
	const quiet = () => undefined;
	const config = {
		region,
		...(profile ? {profile} : {}),
		...(endpoint ? {endpoint} : {}),
		...(keyId
			? {credentials: {accessKeyId: keyId, secretAccessKey: secret, ...(sessionToken ? {sessionToken} : {})}}
			: {}),
		forcePathStyle: settings.forcePath ?? false,
		// pg_back retries and compares checksums itself: within a budget, and with both values known.
		maxAttempts: 1,
		requestChecksumCalculation: 'WHEN_REQUIRED' as const,
		responseChecksumValidation: 'WHEN_REQUIRED' as const,
		expectContinueHeader: false,
		// Reads the shared files again when credentials are fetched again.
		ignoreCache: true,
		requestHandler,
		// Requests to the services that issue credentials (STS, SSO) use the same agents.
		credentialDefaultProvider: (init: Parameters<typeof limitedProvider>[0]) =>
			limitedProvider({...init, clientConfig: {requestHandler}}, idle),
		logger: {
			trace: quiet,
			debug: quiet,
			info: quiet,
			warn: (text: unknown) => context.log('warn', messageOf(text)),
			error: quiet,
		},
	};
	const client = new S3Client(config);
	// It copies each request and response for a log that is never read: 1,000 keys for each batch of removals.
	client.middlewareStack.remove('loggerMiddleware');
	return client;
}

type SdkSettings = {
	readonly region: string;
	/** False if the SDK's settings restrict checksums to requests that need them. */
	readonly checksums: {readonly request: boolean; readonly response: boolean};
};

/**
 * Reads the SDK's environment and profile: the region, if it is not configured (with a custom endpoint any name works),
 * and whether checksums are wanted (AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION). Throws CONFIG.
 */
async function sdkSettings(settings: S3Settings): Promise<SdkSettings> {
	const {profile, region} = settings;
	const probe = new S3Client({...(profile ? {profile} : {}), ...(region ? {region} : {})});
	try {
		const {requestChecksumCalculation, responseChecksumValidation} = probe.config;
		return {
			region: region || (await findRegion(probe, settings)),
			checksums: {
				request: (await requestChecksumCalculation()) !== 'WHEN_REQUIRED',
				response: (await responseChecksumValidation()) !== 'WHEN_REQUIRED',
			},
		};
	} finally {
		probe.destroy();
	}
}

async function findRegion(probe: S3Client, settings: S3Settings): Promise<string> {
	try {
		return await probe.config.region();
	} catch (cause) {
		if (settings.endpoint) return 'us-east-1';
		throw new PgBackError('CONFIG', `no region configured for s3: ${messageOf(cause)}`, {
			cause,
			hint: 'set s3_region, AWS_REGION, or the region of the profile',
		});
	}
}
