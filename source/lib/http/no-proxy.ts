/** Parses NO_PROXY like curl. */
import {BlockList, isIP} from 'node:net';

/**
 * Returns true when `text` (the value of NO_PROXY) excludes a host: `*`, a host name with all names below it (with or without a
 * leading `.` or `*.`), an address, or a network in CIDR notation; each may end in a port. `host` is without brackets.
 */
export function isExcluded(text: string, host: string, port: number): boolean {
	return text
		.toLowerCase()
		.split(/[\s,]+/)
		.filter(entry => entry !== '')
		.some(entry => matches(entry, host.toLowerCase().replace(/\.$/, ''), port));
}

function matches(entry: string, host: string, port: number): boolean {
	if (entry === '*') return true;
	const [name, wanted] = splitPort(entry);
	if (wanted !== undefined && wanted !== port) return false;
	if (name === '*') return true;
	const family = isIP(host);
	if (family > 0) return isIP(name) > 0 ? sameAddress(name, host) : inNetwork(name, host, family === 6);
	const suffix = name.replace(/^\*?\./, '').replace(/\.$/, '');
	return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

/** Splits `host:port`, `[v6]:port`, or either without a port. */
function splitPort(entry: string): readonly [string, number | undefined] {
	const [, v6, v6Port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry) ?? [];
	if (v6 !== undefined) return [v6, v6Port === undefined ? undefined : Number(v6Port)];
	const [, name = entry, port] = /^([^:]+):(\d+)$/.exec(entry) ?? [];
	return [name, port === undefined ? undefined : Number(port)];
}

function sameAddress(a: string, b: string): boolean {
	if (isIP(a) !== isIP(b)) return false;
	const list = new BlockList();
	const family = isIP(a) === 6 ? 'ipv6' : 'ipv4';
	list.addAddress(a, family);
	return list.check(b, family);
}

function inNetwork(entry: string, host: string, v6: boolean): boolean {
	const [, network = '', bits = ''] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? [];
	if (isIP(network) !== (v6 ? 6 : 4) || Number(bits) > (v6 ? 128 : 32)) return false;
	const list = new BlockList();
	const family = v6 ? 'ipv6' : 'ipv4';
	list.addSubnet(network, Number(bits), family);
	return list.check(host, family);
}
