/** SFTP servers: definition and options. */
import type {OptionTable, ValuesOf} from '../../core/option.js';
import {display} from '../../lib/display.js';
import {defineStore, optional} from '../definition.js';
import type {SftpSettings} from './settings.js';

const group = {group: 'SFTP'} as const;
const text = {kind: 'string', default: ''} as const;

const options = {
	sftpHost: {
		...text,
		...group,
		long: 'sftp-host',
		key: 'sftp_host',
		help: 'host name, or a Host alias of ~/.ssh/config',
	},
	sftpPort: {...text, ...group, long: 'sftp-port', key: 'sftp_port', help: 'port; empty: 22'},
	sftpUser: {...text, ...group, long: 'sftp-user', key: 'sftp_user', help: 'user; empty: the current system user'},
	sftpPassword: {
		...text,
		...group,
		secret: true,
		environment: 'PGBK_SSH_PASS',
		long: 'sftp-password',
		key: 'sftp_password',
		help: 'password, or passphrase of the identity file',
	},
	sftpDirectory: {...text, ...group, long: 'sftp-directory', key: 'sftp_directory', help: 'remote directory'},
	sftpIdentity: {...text, ...group, long: 'sftp-identity', key: 'sftp_identity', help: 'private key file'},
	sftpIgnoreHostkey: {
		...group,
		kind: 'yesNo',
		default: false,
		long: 'sftp-ignore-hostkey',
		key: 'sftp_ignore_hostkey',
		help: 'do not verify the host key of the server (dangerous)',
	},
	sftpHostKeyFingerprint: {
		...text,
		...group,
		long: 'sftp-host-key-fingerprint',
		key: 'sftp_host_key_fingerprint',
		help: 'accept only the host key with this fingerprint, SHA256:...',
	},
	sftpConfigFile: {
		...text,
		...group,
		long: 'sftp-config-file',
		key: 'sftp_config_file',
		help: 'ssh configuration to read instead of ~/.ssh/config and /etc/ssh/ssh_config; none: read none',
	},
} as const satisfies OptionTable;

export const sftp = defineStore({
	name: 'sftp',
	title: group.group,
	options,
	isConfigured: settings => settings.sftpHost !== '',
	problems: settings => [
		...(settings.sftpHost === '' ? ['needs sftp_host'] : []),
		...(/[\s/]/.test(settings.sftpHost)
			? [`${display(settings.sftpHost)} in sftp_host is not a host name (the directory is sftp_directory)`]
			: []),
		...(settings.sftpPort === '' || isPort(settings.sftpPort)
			? []
			: [`${display(settings.sftpPort)} in sftp_port is not a port`]),
	],
	location: settings => `sftp://${settings.sftpHost}/${settings.sftpDirectory}/`,
	open: async (settings, _outside, context) => (await import('./sftp.js')).openSftp(storeSettings(settings), context),
});

function isPort(text: string): boolean {
	return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function storeSettings(settings: ValuesOf<typeof options>): SftpSettings {
	return {
		host: settings.sftpHost,
		...(settings.sftpPort !== '' && {port: Number(settings.sftpPort)}),
		user: optional(settings.sftpUser),
		password: optional(settings.sftpPassword),
		directory: optional(settings.sftpDirectory),
		identity: optional(settings.sftpIdentity),
		ignoreHostKey: settings.sftpIgnoreHostkey,
		hostKeyFingerprint: optional(settings.sftpHostKeyFingerprint),
		configFile: optional(settings.sftpConfigFile),
	};
}
