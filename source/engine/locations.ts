import type {Location} from '../core/handle.js';
import type {Settings} from '../config/options.js';
import type {Store} from './remote.js';

/** The backup directory and every remote that is configured, whether dumps are uploaded there or not. */
export function locationsOf(settings: Settings): readonly Location[] {
	const prefix = settings.uploadPrefix === '' ? '' : `${settings.uploadPrefix.replace(/\/+$/, '')}/`;
	const remotes: readonly (readonly [Store, string, string])[] = [
		['s3', settings.s3Bucket, `s3://${settings.s3Bucket}/`],
		['b2', settings.b2Bucket, `b2://${settings.b2Bucket}/`],
		['sftp', settings.sftpHost, `sftp://${settings.sftpHost}/${settings.sftpDirectory}/`],
		['gcs', settings.gcsBucket, `gcs://${settings.gcsBucket}/`],
		[
			'azure',
			settings.azureContainer,
			`azure://${settings.azureAccount === '' ? '' : `${settings.azureAccount}/`}${settings.azureContainer}/`,
		],
		['local', settings.localDirectory, `${settings.localDirectory.replace(/\/+$/, '')}/`],
	];
	return [
		{id: 'local', label: settings.backupDirectory, remote: false},
		...remotes
			.filter(([, configured]) => configured !== '')
			.map(([store, , label]) => ({
				id: store === 'local' ? 'directory' : store,
				label: `${label}${prefix}`,
				remote: true,
			})),
	];
}

/** The store of a location; undefined for the backup directory. */
export function storeOf(location: string): Store | undefined {
	if (location === 'local') return undefined;
	return location === 'directory' ? 'local' : (location as Store);
}
