/** Post-quantum public keys are two thousand characters long: their beginning is enough to tell them apart. */
const longestShown = 70;

/** Returns a public key for people. */
export function shortRecipient(recipient: string): string {
	return recipient.length <= longestShown ? recipient : `${recipient.slice(0, 24)}…`;
}
