import {identityToRecipient} from 'age-encryption';
import {shortRecipient} from './short-recipient.js';

/** The public keys of private keys, for people. */
export async function describeIdentities(identities: readonly string[]): Promise<string> {
	const recipients = await Promise.all(identities.map(async identity => identityToRecipient(identity)));
	return recipients.map(shortRecipient).join(', ');
}
