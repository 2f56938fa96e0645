import {
  IconAdjustmentsHorizontal,
  IconBell,
  IconBook2,
  IconBuilding,
  IconBuildingBank,
  IconChartBar,
  IconCpu,
  IconCreditCard,
  IconFolders,
  IconGauge,
  IconHistory,
  IconInbox,
  IconKey,
  IconMessage,
  IconRocket,
  IconServer2,
  IconSettings,
  IconUsers,
  IconUsersGroup,
  type Icon,
} from '@tabler/icons-react';

export interface Destination {
  to: string;
  name: string;
  icon: Icon;
}

export interface Area {
  name: string;
  /** Who sees it; left out: everybody. */
  for?: 'owner' | 'operator';
  destinations: Destination[];
}

/** The console's views, as the sidebar lists them. */
export const areas: Area[] = [
  {
    name: 'Build',
    destinations: [
      { to: '/', name: 'Start', icon: IconRocket },
      { to: '/playground', name: 'Playground', icon: IconMessage },
      { to: '/keys', name: 'API keys', icon: IconKey },
      { to: '/usage', name: 'Usage', icon: IconChartBar },
    ],
  },
  {
    name: 'Organization',
    destinations: [
      { to: '/projects', name: 'Projects', icon: IconFolders },
      { to: '/members', name: 'Members', icon: IconUsers },
      { to: '/billing', name: 'Billing', icon: IconCreditCard },
      { to: '/limits', name: 'Limits', icon: IconGauge },
      { to: '/alerts', name: 'Alerts', icon: IconBell },
      { to: '/audit-log', name: 'Audit log', icon: IconHistory },
      { to: '/settings', name: 'Settings', icon: IconSettings },
    ],
  },
  {
    name: 'Operator',
    for: 'operator',
    destinations: [
      { to: '/operator/organizations', name: 'Organizations', icon: IconBuilding },
      { to: '/operator/users', name: 'Users', icon: IconUsersGroup },
      { to: '/operator/upstreams', name: 'Upstreams', icon: IconServer2 },
      { to: '/operator/models', name: 'Models and prices', icon: IconCpu },
      { to: '/operator/payments', name: 'Payments', icon: IconBuildingBank },
      { to: '/operator/jobs', name: 'Messages', icon: IconInbox },
      { to: '/operator/ledger', name: 'Ledger', icon: IconBook2 },
      { to: '/operator/settings', name: 'Installation', icon: IconAdjustmentsHorizontal },
    ],
  },
];
