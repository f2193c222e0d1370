/** From options to what each target is opened with. */
import {PgBackError} from '../core/errors.js';
import type {Settings} from '../config/options.js';
import type {StorageKind, StorageSettings} from '../storage/registry.js';
import type {Environment} from './context.js';

type Opening = {readonly [K in StorageKind]: {readonly kind: K; readonly settings: StorageSettings[K]}}[StorageKind];

/** An empty option is an absent one. */
export function storeSettings(kind: Settings['upload'], settings: Settings, env: Environment): Opening {
	switch (kind) {
		case 's3':
			return {
				kind,
				settings: {
					bucket: settings.s3Bucket,
					region: text(settings.s3Region),
					profile: text(settings.s3Profile),
					keyId: text(settings.s3KeyId),
					secret: text(settings.s3Secret),
					endpoint: text(settings.s3Endpoint),
					forcePath: settings.s3ForcePath,
					tls: settings.s3Tls,
					storageClass: text(settings.s3StorageClass),
					sse: text(settings.s3Sse),
					sseKmsKeyId: text(settings.s3SseKmsKeyId),
					...(settings.s3ObjectLockMode !== 'none' && {
						objectLockMode: settings.s3ObjectLockMode.toUpperCase(),
						objectLockDays: settings.s3ObjectLockDays,
					}),
					...(settings.s3Tags.length > 0 && {tags: tagsOf(settings.s3Tags)}),
					...(settings.s3PartSize > 0 && {partSize: settings.s3PartSize}),
				},
			};
		case 'local':
			return {kind, settings: {directory: settings.localDirectory, mode: settings.backupFileMode}};
		case 'b2':
			return {
				kind,
				settings: {
					bucket: settings.b2Bucket,
					// As the service's own tool reads them.
					keyId: settings.b2KeyId || env['B2_APPLICATION_KEY_ID'] || '',
					appKey: settings.b2AppKey || env['B2_APPLICATION_KEY'] || '',
					concurrency: settings.b2ConcurrentConnections,
					...(/^https?:/.test(env['B2_ENVIRONMENT'] ?? '') && {authorizeUrl: env['B2_ENVIRONMENT']}),
				},
			};
		case 'sftp':
			return {
				kind,
				settings: {
					host: settings.sftpHost,
					...(settings.sftpPort !== '' && {port: Number(settings.sftpPort)}),
					user: text(settings.sftpUser),
					password: text(settings.sftpPassword),
					directory: text(settings.sftpDirectory),
					identity: text(settings.sftpIdentity),
					ignoreHostKey: settings.sftpIgnoreHostkey,
					hostKeyFingerprint: text(settings.sftpHostKeyFingerprint),
					configFile: text(settings.sftpConfigFile),
				},
			};
		case 'gcs':
			return {
				kind,
				settings: {
					bucket: settings.gcsBucket,
					keyfile: text(settings.gcsKeyfile),
					endpoint: text(settings.gcsEndpoint),
				},
			};
		case 'azure':
			return {
				kind,
				settings: {
					container: settings.azureContainer,
					account: text(settings.azureAccount),
					key: text(settings.azureKey),
					endpoint: text(settings.azureEndpoint),
					sasToken: text(settings.azureSas),
					connectionString: text(settings.azureConnectionString),
				},
			};
		case 'none':
			throw new PgBackError('CONFIG', 'there is no remote location', {hint: 'set upload, or name one'});
	}
}

function text(value: string): string | undefined {
	return value === '' ? undefined : value;
}

function tagsOf(tags: readonly string[]): Record<string, string> {
	return Object.fromEntries(
		tags.map(tag => {
			const [key = '', ...value] = tag.split('=');
			return [key, value.join('=')];
		}),
	);
}
