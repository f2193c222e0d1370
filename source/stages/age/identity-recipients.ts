import {identityToRecipient} from 'age-encryption';

/** Post-quantum public keys are two thousand characters long: their beginning is enough to tell them apart. */
const longestShown = 70;

/** The public keys of private keys, for people. */
export async function describeIdentities(identities: readonly string[]): Promise<string> {
	const recipients = await Promise.all(identities.map(async identity => identityToRecipient(identity)));
	return recipients.map(shortRecipient).join(', ');
}

/** A public key for people. */
export function shortRecipient(recipient: string): string {
	return recipient.length <= longestShown ? recipient : `${recipient.slice(0, 24)}…`;
}
