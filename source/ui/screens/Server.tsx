import {ListPage} from '../components/ListPage.js';
import type {Frame} from '../console.js';
import {serverScreen} from '../layout/server-screen.js';

/** Renders one server of the fleet with its databases. */
export function Server({frame}: {readonly frame: Frame}) {
	return <ListPage frame={frame} {...serverScreen(frame)} />;
}
