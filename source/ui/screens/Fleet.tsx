import {ListPage} from '../components/ListPage.js';
import type {Frame} from '../console.js';
import {fleetScreen} from '../layout/fleet-screen.js';

/** Renders the servers that report to the fleet. */
export function Fleet({frame}: {readonly frame: Frame}) {
	return <ListPage frame={frame} {...fleetScreen(frame)} busy={frame.fleet.state() === 'reading'} />;
}
