import { expect, test } from 'vitest';
import { DETAILS, ENTRY, VIEWS } from '../../e2e/views';
import { areas } from './navigation';
import { entry, inside } from './views';

/** Whether a route leads to an address: `$name` in it is one part, and `$` at its end the rest. */
function leads(route: string, address: string): boolean {
  const form = route.replace(/\$\w+/g, '[^/]+').replace(/\$$/, '.+');
  return new RegExp(`^${form}$`).test(address);
}

test('every route is visited by a test in the browser', () => {
  const visited = [...VIEWS, ...DETAILS, ...ENTRY].map(([path]) => path.split('?')[0] ?? '');
  const routes = [...entry, ...inside].map(({ path }) => path);
  const missing = routes.filter((route) => !visited.some((address) => leads(route, address)));
  expect(missing, 'add them to console/e2e/views.ts').toEqual([]);
});

test('the menu leads to routes', () => {
  const routes = inside.map(({ path }) => path);
  const destinations = areas.flatMap((area) => area.destinations.map(({ to }) => to));
  expect(destinations.filter((to) => !routes.includes(to))).toEqual([]);
});
