/** What is wrong with settings whose form the configuration does not know: connection strings and keys of age. Loads little. */
import type {SettingProblem} from '../config/checks.js';
import type {OptionName, Settings} from '../config/options.js';
import {messageOf, PgBackError} from '../core/errors.js';
import {isConnectionString, parseConnectionString} from '../postgres/conninfo.js';
import type {KeyPart} from '../stages/age/key-problems.js';

const optionOf: Readonly<Record<KeyPart, OptionName>> = {
	publicKeys: 'cipherPublicKey',
	recipientsFiles: 'cipherRecipientsFile',
	privateKeys: 'cipherPrivateKey',
	identityFiles: 'cipherIdentityFile',
};

/** Only what this run uses is looked at, as in pg_back 2; everything for `--check-config`. */
export async function settingProblems(settings: Settings): Promise<readonly SettingProblem[]> {
	const checks = settings.checkConfig !== 'no';
	const restores = settings.verifyStore !== 'none' || settings.restoreDrill !== 'none';
	const backsUp =
		!settings.decrypt &&
		!restores &&
		!settings.resumeUploads &&
		settings.checkAge === undefined &&
		[settings.listRemote, settings.download, settings.cleanupRemote].every(store => store === 'none');
	return [
		...(checks || backsUp ? connectionProblems(settings.dbname) : []),
		...(await keyProblems(
			settings,
			settings.encrypt && (checks || backsUp),
			checks || settings.decrypt || restores || (backsUp && settings.verify === 'full'),
		)),
	];
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
