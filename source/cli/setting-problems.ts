/** Checks settings in formats that the configuration does not know: connection strings and age keys. Loads little. */
import type {SettingProblem} from '../config/checks.js';
import type {OptionName, Settings} from '../config/options.js';
import {messageOf, PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {isConnectionString, parseConnectionString} from '../postgres/conninfo.js';
import type {KeyPart} from '../stages/age/key-problems.js';

const optionOf: Readonly<Record<KeyPart, OptionName>> = {
	publicKeys: 'cipherPublicKey',
	recipientsFiles: 'cipherRecipientsFile',
	privateKeys: 'cipherPrivateKey',
	identityFiles: 'cipherIdentityFile',
};

/** Checks only what this run uses, as in pg_back 2; everything for `--check-config`. */
export async function settingProblems(settings: Settings, env: Environment = {}): Promise<readonly SettingProblem[]> {
	const checks = settings.checkConfig !== 'no';
	const restores = settings.verifyStore !== 'none' || settings.restoreDrill !== 'none' || settings.restore !== 'none';
	const backsUp =
		!settings.decrypt &&
		!restores &&
		!settings.resumeUploads &&
		!settings.status &&
		[settings.pin, settings.unpin, settings.findTable, settings.diff].every(text => text === '') &&
		settings.checkAge === undefined &&
		settings.fleetMetrics === '' &&
		[settings.listRemote, settings.download, settings.cleanupRemote, settings.fleet, settings.purge].every(
			store => store === 'none',
		);
	return [
		...(checks || backsUp ? connectionProblems(settings.dbname) : []),
		...(await authorityProblems(settings)),
		...(checks ? await addressProblems(settings, env) : []),
		...(await keyProblems(
			settings,
			settings.encrypt && (checks || backsUp),
			checks || settings.decrypt || restores || (backsUp && settings.verify === 'full'),
		)),
	];
}

/** A missing file must not be found only after the dump, when it cannot be uploaded. */
async function authorityProblems({caFile}: Settings): Promise<readonly SettingProblem[]> {
	if (caFile === '') return [];
	const {certificatesIn} = await import('../lib/http/trust.js');
	try {
		certificatesIn(caFile, 'ca_file');
		return [];
	} catch (error) {
		return [{option: 'caFile', text: messageOf(error)}];
	}
}

async function addressProblems(settings: Settings, env: Environment): Promise<readonly SettingProblem[]> {
	const {storeProblems} = await import('./store-problems.js');
	return [...healthProblems(settings), ...(await storeProblems(settings, env))];
}

/** A run only warns of it: reports never fail a backup. */
function healthProblems({healthUrl}: Settings): readonly SettingProblem[] {
	const protocol = URL.parse(healthUrl)?.protocol ?? '';
	if (healthUrl === '' || /^https?:$/.test(protocol)) return [];
	return [{option: 'healthUrl', text: 'is not an http:// or https:// URL'}];
}

function connectionProblems(dbname: string): readonly SettingProblem[] {
	if (!isConnectionString(dbname)) return [];
	try {
		parseConnectionString(dbname);
		return [];
	} catch (error) {
		if (!(error instanceof PgBackError)) throw error;
		return [{option: 'dbname', text: messageOf(error)}];
	}
}

async function keyProblems(
	settings: Settings,
	encrypts: boolean,
	decrypts: boolean,
): Promise<readonly SettingProblem[]> {
	const recipients = {publicKeys: settings.cipherPublicKey, recipientsFiles: settings.cipherRecipientsFile};
	const identities = {
		privateKeys: [settings.cipherPrivateKey].filter(key => key !== ''),
		identityFiles: settings.cipherIdentityFile,
	};
	const some = (material: Readonly<Record<string, readonly string[]>>) =>
		Object.values(material).some(({length}) => length > 0);
	if (!(encrypts && some(recipients)) && !(decrypts && some(identities))) return [];
	const {decryptionKeyProblems, encryptionKeyProblems} = await import('../stages/age/key-problems.js');
	const found = [
		...(encrypts ? await encryptionKeyProblems(recipients) : []),
		...(decrypts ? await decryptionKeyProblems(identities) : []),
	];
	return found.map(({part, text}) => ({option: optionOf[part], text}));
}
