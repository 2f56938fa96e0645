import { Page } from '../../ui/Page';
import { EmailCard } from './EmailCard';
import { FactorsCard } from './FactorsCard';
import { IdentitiesCard } from './IdentitiesCard';
import { InvitesCard } from './InvitesCard';
import { PasskeysCard } from './PasskeysCard';
import { PasswordCard } from './PasswordCard';
import { PhoneCard } from './PhoneCard';
import { ProfileCard } from './ProfileCard';
import { SessionsCard } from './SessionsCard';

/** What belongs to the person, whatever organization they look at. */
export default function Account() {
  return (
    <Page title="Your account" lead="Who you are, how you get in, and where you are signed in.">
      <InvitesCard />
      <ProfileCard />
      <EmailCard />
      <PhoneCard />
      <PasswordCard />
      <FactorsCard />
      <PasskeysCard />
      <IdentitiesCard />
      <SessionsCard />
    </Page>
  );
}
