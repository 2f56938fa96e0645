import type { ComponentType } from 'react';

export interface View {
  path: string;
  load: () => Promise<{ default: ComponentType }>;
}

/** Pages for those who are not signed in, each loaded when it is first shown. */
export const entry: View[] = [
  { path: '/welcome', load: () => import('../welcome/Welcome') },
  { path: '/sign-in', load: () => import('../pages/entry/SignIn') },
  { path: '/sign-up', load: () => import('../pages/entry/SignUp') },
  { path: '/forgot-password', load: () => import('../pages/entry/ForgotPassword') },
  { path: '/reset-password', load: () => import('../pages/entry/ResetPassword') },
  { path: '/accept-invite', load: () => import('../pages/entry/AcceptInvite') },
  { path: '/outbox', load: () => import('../pages/outbox/Outbox') },
];

/** The views of the console. */
export const inside: View[] = [
  { path: '/', load: () => import('../pages/home/Home') },
  { path: '/keys', load: () => import('../pages/keys/Keys') },
];
