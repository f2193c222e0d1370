/**
 * Redacts the secrets of every URL in a text: user and password of a web address, the password of any other, and the
 * values of query parameters that sign or authorize. The rest of the text is unchanged.
 */
export function redactUrls(text: string): string {
	if (!text.includes('://') && !text.includes('=')) return text;
	return text
		.replaceAll(/(\bhttps?:\/\/)[^\s/?#"'<>]*@/gi, `$1${mask}@`)
		.replaceAll(/(\b[a-z][a-z\d+.-]*:\/\/[^\s:@/?#"'<>]*):[^\s/?#"'<>]*@/gi, `$1:${mask}@`)
		.replaceAll(secretParameter, `$1${mask}`);
}

const mask = '********';

/** The signature of an Azure SAS, those of AWS and Google, tokens and keys. */
const secretParameter =
	/([?&;](?:sig|signature|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|upload_id|(?:access_?|auth_?|session_?)?token|api_?key|key|password|passwd|secret|code)=)[^&\s"'<>;]+/gi;
