import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { queryClient } from '../api/queries';
import { me } from '../session/me';
import { Loading } from '../ui/States';
import { Broken } from './Broken';
import { Lost } from './Lost';
import { entry, inside, type View } from './views';

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: Lost,
  errorComponent: Broken,
});

/** Views of people who are signed in; everybody else signs in first, and comes back. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: lazyRouteComponent(() => import('./Shell')),
  beforeLoad: async ({ location }) => {
    if (await queryClient.query({ ...me, staleTime: 'static' })) return;
    if (location.pathname === '/') redirect({ to: '/welcome', replace: true, throw: true });
    redirect({ to: '/sign-in', search: { return_to: location.href }, replace: true, throw: true });
  },
});

const routeOf = (parent: typeof root | typeof shell) => (view: View) =>
  createRoute({
    getParentRoute: () => parent,
    path: view.path,
    component: lazyRouteComponent(view.load),
  });

export const router = createRouter({
  routeTree: root.addChildren([
    ...entry.map(routeOf(root)),
    shell.addChildren(inside.map(routeOf(shell))),
  ]),
  defaultPreload: 'intent',
  defaultPendingComponent: () => <Loading lines={6} />,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});
